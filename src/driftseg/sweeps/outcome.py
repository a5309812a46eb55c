"""The result of a sweep: one page with links to all reports, and a CSV file of all runs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from driftseg.report.numbers import run_numbers
from driftseg.report.page import write_report
from driftseg.report.summary import Spread, group_runs, same_world
from driftseg.report.writing import write_whole
from driftseg.runs.record import Run, read_run
from driftseg.sweeps.driving import SweepRun
from driftseg.sweeps.expansion import Point

COMMON = (
    "stream_over_all_visits", "over_all_visits", "forward", "backward", "forgotten", "learnt_from",
    "frames_per_second",
)  # fmt: skip
"""Numbers that every schedule has."""
TOLD = {
    "stream_over_all_visits": "stream, over all visits",
    "over_all_visits": "held out, over all visits",
    "forgotten": "forgotten",
    "frames_per_second": "frames/s",
}
"""Columns of the page, and their headings."""


@dataclass(frozen=True)
class SweepGroup:
    """The finished runs of one config on one schedule, over their seeds."""

    world: str
    """The schedule, if the sweep has several."""
    label: str
    """The varied values, without the seed."""
    numbers: Mapping[str, Spread]
    """Mean and deviation, under the names of `find_runs`."""
    seeds: str


@dataclass(frozen=True)
class Swept:
    """The result of a sweep."""

    rows: Sequence[SweepRun]
    """All runs, in the order of the file."""
    lines: Sequence[SweepGroup]
    """Finished runs, over their seeds."""
    report: Path | None
    """The page; None if no run is finished."""
    numbers: Path | None
    """A CSV file with one row per run."""

    @property
    def failed(self) -> list[SweepRun]:
        """Runs that failed."""
        return [row for row in self.rows if row.state == "failed"]


def write_outcome(
    folder: Path, name: str, points: Sequence[Point], rows: Sequence[SweepRun]
) -> Swept:
    """Writes the report of finished runs and the CSV file of all runs.

    Runs of one schedule and data share a page; with several pages, ``report.html`` links to them.

    Args:
        folder: of the sweep.
        name: heading of the page.
        points: all runs.
        rows: their states, in the same order.

    Raises:
        InputError: a file cannot be written.
    """
    done = [
        (point, row, read_run(row.folder))
        for point, row in zip(points, rows, strict=True)
        if row.state == "finished" and row.folder is not None
    ]
    numbers = _write_csv(folder / "numbers.csv", points, rows, done)
    if not done:
        return Swept(rows, (), None, numbers)
    worlds: list[list[tuple[Point, SweepRun, Run]]] = []
    for each in done:
        for world in worlds:
            if _share(each[2], world[0][2]):
                world.append(each)
                break
        else:
            worlds.append([each])
    names = _world_names(worlds)
    files = distinct([_file(told) for told in names], "_")
    pages, lines = [], []
    for world, told, file in zip(worlds, names, files, strict=True):
        runs = [run for _, _, run in world]
        page = "report.html" if len(worlds) == 1 else f"report_{file}.html"
        write_report(runs, folder / page, title=f"{name}: {told}" if told else name)
        pages.append((told, page))
        any_seed = {run.path for point, _, run in world if point.any_seed}
        lines += _lines(told, runs, any_seed)
    if len(worlds) > 1:
        _write_page(folder, name, lines, pages, rows)
    return Swept(rows, lines, folder / "report.html", numbers)


def _lines(world: str, runs: Sequence[Run], any_seed: set[Path]) -> list[SweepGroup]:
    found = []
    for group in group_runs(runs):
        values = [run_numbers(run) for run in group.runs]
        spreads = {key: Spread(tuple(each[key] for each in values)) for key in COMMON}
        seeds = "any" if group.runs[0].path in any_seed else str(len(group.runs))
        found.append(SweepGroup(world, group.label, spreads, seeds))
    return found


def _share(run: Run, other: Run) -> bool:
    """Whether two runs can share a page."""
    try:
        same_world(run, other)
    except ValueError:
        return False
    return True


def _world_names(worlds: Sequence[Sequence[tuple[Point, SweepRun, Run]]]) -> list[str]:
    """Names of worlds (schedule and data), from varied values that all of their runs share."""
    if len(worlds) == 1:
        return [""]
    names = []
    for world in worlds:
        first = dict(world[0][0].varied)
        shared = {
            key: value
            for key, value in first.items()
            if all(point.varied.get(key) == value for point, _, _ in world)
        }
        own = [
            key
            for key, value in shared.items()
            if any(point.varied.get(key) != value for other in worlds for point, _, _ in other)
        ]
        names.append(", ".join(_name(shared[key]) for key in own) or "world")
    return distinct(names)


def distinct(names: Sequence[str], mark: str = " ") -> list[str]:
    """The names, with ``mark`` and a number behind those that come more than once.

    Case does not count, because some file systems do not tell it apart.
    """
    small = [name.lower() for name in names]
    found = [*names]
    for number, name in enumerate(names, 1):
        if small.count(name.lower()) > 1:
            found[number - 1] += f"{mark}{number}"
            while found[number - 1].lower() in small:  # numbers differ, so two of these never meet
                found[number - 1] += f"{mark}{number}"
    return found


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        for key in ("preset", "name", "kind"):
            if key in value:
                return str(value[key])
    if isinstance(value, list) and all(isinstance(v, Mapping) and "name" in v for v in value):
        return "-".join(dict.fromkeys(str(v["name"]) for v in value))
    return str(value)


def _file(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)


def _write_csv(
    path: Path,
    points: Sequence[Point],
    rows: Sequence[SweepRun],
    done: Sequence[tuple[Point, SweepRun, Run]],
) -> Path:
    keys = list(dict.fromkeys(key for point in points for key in point.varied))
    runs = {point.key: run for point, _, run in done}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    named = [key for key in keys if key not in ("method", "method.name", "seed")]
    cells = {key: _cells([point.varied.get(key) for point in points]) for key in named}
    writer.writerow(["run", "state", "method", "seed", *named, "frames", *COMMON, "folder"])
    for number, (point, row) in enumerate(zip(points, rows, strict=True)):
        run = runs.get(point.key)
        numbers = {} if run is None else run_numbers(run)
        writer.writerow([
            point.label, row.state, point.config.method.name,
            "any" if point.any_seed else point.config.seed,
            *(cells[key][number] for key in named),
            row.progress.frames, *(_number(numbers.get(key)) for key in COMMON),
            "" if row.folder is None else f"runs/{row.folder.name}",
        ])  # fmt: skip
    write_whole(path, text.getvalue(), what="the numbers")
    return path


def _cells(values: Sequence[Any]) -> list[str]:
    """Short names if they are distinct for all values; JSON otherwise."""
    whole = ["" if value is None else json.dumps(value, default=str) for value in values]
    short = ["" if value is None else _name(value) for value in values]
    return short if len({*short}) == len({*whole}) else whole


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .25rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid #ddd }
thead th { border-bottom: 2px solid #888 } pre { white-space: pre-wrap }
</style></head><body>
<h1>{{ title }}</h1>
<p>{{ finished }} of {{ rows | length }} runs are finished. Scores are mIoU in percent, harmonic
means over visits: mean ± sample standard deviation over seeds. "any" under seeds: the method does
not depend on the seed, and was run once. Runs of different schedules or data have pages of their
own. <a href="numbers.csv">numbers.csv</a> has one row per run.</p>
{% for world, page in pages %}
<h2>{{ world }}</h2>
<table><thead><tr><th>method</th>{% for heading in headings.values() %}<th>{{ heading }}</th>
{% endfor %}<th>seeds</th></tr></thead><tbody>
{% for line in lines if line.world == world %}
<tr><td>{{ line.label }}</td>{% for key in headings %}<td>{{ line.numbers[key] }}</td>{% endfor %}
<td>{{ line.seeds }}</td></tr>
{% endfor %}
</tbody></table>
<p><a href="{{ page }}">The whole report of {{ world }}</a></p>
{% endfor %}
{% if others %}
<h2>Runs that are not in these tables</h2>
{% for row in others %}
<p>{{ row.label }}: {{ row.state }}</p><pre>{{ row.reason }}</pre>
{% endfor %}
{% endif %}
</body></html>
"""


def _write_page(
    folder: Path,
    name: str,
    lines: Sequence[SweepGroup],
    pages: Sequence[tuple[str, str]],
    rows: Sequence[SweepRun],
) -> None:
    others = [row for row in rows if row.state != "finished"]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html = environment.from_string(PAGE).render(
        title=name, rows=rows, finished=len(rows) - len(others), lines=lines, pages=pages,
        headings=TOLD, others=others,
    )  # fmt: skip
    write_whole(folder / "report.html", html, what="the report")
