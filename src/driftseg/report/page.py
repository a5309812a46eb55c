"""One self-contained page of runs on the same stream."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import yaml
from PIL import Image as PillowImage

from driftseg.report import figures
from driftseg.report.diagnostics_figure import diagnostics_figure, has_diagnostics
from driftseg.report.drift import (
    SKIPS,
    calibration_rows,
    detection_row,
    detector_of,
    has_signal,
    module_shares,
    recovery_table,
    source_run,
)
from driftseg.report.drift_figure import drift_figure
from driftseg.report.guarding import guard_line
from driftseg.report.pace import pace_rows
from driftseg.report.plots import colour_of, picture
from driftseg.report.summary import (
    Group,
    Spread,
    class_scores,
    group_runs,
    has_early_head,
    has_held_out,
    has_labels,
    one_decimal,
    run_continual,
    run_latency,
    stream_scores,
    trained_share,
    visit_scores,
)
from driftseg.report.verdict import STILL, hardest_visit, points, verdicts
from driftseg.report.writing import write_whole
from driftseg.runs.record import Run

WIDEST = 320
"""Width in pixels of a picture in the page. Larger ones are shrunk."""


def write_report(
    runs: Sequence[Run], path: Path, *, title: str | None = None, oracle: Run | None = None
) -> Path:
    """Writes the page; returns its path.

    Args:
        runs: runs of one schedule; seeds of one config become mean and standard deviation. Runs
            that are not finished are marked.
        path: the .html file.
        title: heading; default is the target's name.
        oracle: a run whose held-out scores are the upper bound, for example of weights trained
            with the target's labels. The page shows the share of the gap that each method closes.

    Raises:
        InputError: the runs have different streams, the oracle cannot be compared, or the file
            cannot be written.
    """
    groups = group_runs(runs)
    loader = jinja2.PackageLoader("driftseg.report", "templates")
    page = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page.filters["one_decimal"] = one_decimal
    page.filters["points"] = points
    html = page.get_template("page.html").render(_facts(groups, title, oracle))
    write_whole(path, html, what="the report")
    return path


def _facts(groups: Sequence[Group], title: str | None, oracle: Run | None) -> dict[str, Any]:
    first = groups[0].runs[0]
    held = has_held_out(first)
    labelled = any(has_labels(run) for group in groups for run in group.runs)
    return {
        "title": title or str(first.config["name"]),
        "subtitle": _subtitle(groups),
        "groups": [
            {"label": group.label, "colour": colour_of(i), "seeds": len(group.runs)}
            for i, group in enumerate(groups)
        ],
        "held_out": picture(partial(figures.held_out_figure, groups)) if held else None,
        "stream": picture(partial(figures.stream_figure, groups)) if labelled else None,
        "forgetting": picture(partial(figures.forgetting_figure, groups)) if held else None,
        "frames": picture(partial(figures.frames_figure, groups)),
        "home": first.home,
        "visits": first.visits,
        "verdicts": verdicts(groups),
        "baseline": any(group.runs[0].method == STILL for group in groups),
        "measure": "mIoU in percent, harmonic mean over all visits"
        if len(first.visits) > 1
        else f"mIoU in percent in {first.visits[0]['domain']}",
        "worst": first.visits[hardest_visit(groups)]["domain"],
        "summary": [
            _summary(group, hardest_visit(groups), held=held, labelled=labelled) for group in groups
        ],
        "visit_rows": _visit_rows(groups, held=held, labelled=labelled),
        "recovery": None if oracle is None else recovery_table(groups, oracle),
        "drift": _drift(groups),
        "pace": pace_rows(groups),
        "diagnostics": [
            {"label": group.label, "figure": picture(partial(diagnostics_figure, group.runs[0]))}
            for group in groups
            if has_diagnostics(group.runs[0])
        ],
        "speed": [_speed(group) for group in groups],
        "classes": _classes(groups) if held else None,
        "legend": [
            (name, "rgb({},{},{})".format(*colour))
            for name, colour in zip(first.classes, first.colours, strict=True)
        ],
        "pictures": _pictures(groups),
        "notes": [*_parts(groups), *_guarded(groups), *_common_notes(groups)],
        "runs": [
            {
                "name": run.path.name + ("" if run.part is None else f" ({run.part})"),
                "config": yaml.safe_dump(dict(run.config), sort_keys=False),
                "environment": {k: v for k, v in run.environment.items() if k != "notes"},
                "notes": run.environment["notes"],
            }
            for group in groups
            for run in group.runs
        ],
    }


def _parts(groups: Sequence[Group]) -> list[str]:
    """Notes on unfinished runs."""
    return [
        f"{run.path.name} is a part of a run ({run.part}): visits that it did not reach have no "
        "numbers, and those of its last visit are of the frames so far"
        for group in groups
        for run in group.runs
        if run.part is not None
    ]


def _guarded(groups: Sequence[Group]) -> list[str]:
    lines = [guard_line(run) for group in groups for run in group.runs]
    return [line for line in lines if line is not None]


def _common_notes(groups: Sequence[Group]) -> list[str]:
    """The notes that all runs share. The other notes stand with their runs."""
    first, *others = (run.environment["notes"] for group in groups for run in group.runs)
    return [note for note in first if all(note in notes for notes in others)]


def _subtitle(groups: Sequence[Group]) -> str:
    run = groups[0].runs[0]
    order = " → ".join(visit["domain"] for visit in run.visits)
    frames = sum(visit["frames"] for visit in run.visits)
    return f"{order} · {frames} frames"


def _summary(group: Group, worst: int, *, held: bool, labelled: bool) -> dict[str, Any]:
    """The numbers in the cards at the top."""
    row: dict[str, Any] = {"label": group.label}
    if held or labelled:
        row |= {
            name: group.over_seeds(lambda run, n=name: getattr(run_continual(run), n))  # type: ignore[misc]
            for name in ("forward", "backward", "total_of_means", "total")
        }
    if held:
        row["forgetting"] = group.over_seeds(lambda run: run_continual(run).forgetting or 0.0)
        if len(group.runs[0].visits) > 1:
            row["worst"] = group.over_seeds(lambda run: visit_scores(run)[worst])
    row["trained"] = group.over_seeds(trained_share)
    return row


def _drift(groups: Sequence[Group]) -> dict[str, Any] | None:
    """Detections and training of every method with a drift signal; None without such a method."""
    found = [(i, group) for i, group in enumerate(groups) if has_signal(group.runs[0])]
    if not found:
        return None
    rows = [{"colour": colour_of(i), **detection_row(group)} for i, group in found]
    return {
        "skips": [r for r in SKIPS if any(max(row["skipped"][r].values) > 0 for row in rows)],
        "rows": rows,
        "parts": [
            {
                "label": group.label,
                "colour": colour_of(i),
                "seed": group.runs[0].seed,
                "detector": detector_of(group.runs[0]),
                "figure": drift_figure(group.runs[0], source_run(groups, group.runs[0])),
                "modules": module_shares(group),
                "calibration": calibration_rows(group.runs[0]),
            }
            for i, group in found
        ],
    }


def _visit_rows(groups: Sequence[Group], *, held: bool, labelled: bool) -> list[dict[str, Any]]:
    """One table per kind of score, with one row per method that has it."""
    everyone = range(len(groups))
    early = [i for i in everyone if all(has_early_head(run) for run in groups[i].runs)]
    tables = []
    for what, members, scores in (
        ("held-out frames, after each visit", everyone if held else (), visit_scores),
        (
            "frames of the stream, predicted before learning",
            everyone if labelled else (),
            stream_scores,
        ),
        ("held-out frames, after each visit, predicted by the early head", early, _early_scores),
    ):
        rows = [
            {
                "label": groups[i].label,
                "colour": colour_of(i),
                "cells": [Spread(tuple(column)) for column in groups[i].curve(scores).T],
            }
            for i in members
        ]
        if rows:
            best = [_best(column) for column in zip(*_cells(rows), strict=True)]
            tables.append({"what": what, "rows": rows, "best": best})
    return tables


def _best(cells: Sequence[Spread]) -> str:
    """The highest number of a column as shown; runs without a value do not count."""
    known = [cell.mean for cell in cells if not math.isnan(cell.mean)]
    return f"{max(known):.1f}" if known else ""


def _cells(rows: Sequence[Mapping[str, Any]]) -> list[list[Spread]]:
    return [row["cells"] for row in rows]


def _early_scores(run: Run) -> list[float]:
    return visit_scores(run, "early")


def _speed(group: Group) -> dict[str, Any]:
    measured = [found for run in group.runs if (found := run_latency(run)) is not None]
    names = (
        "frames_per_second", "median_ms", "p95_ms", "predict_median_ms", "predict_p95_ms",
    )  # fmt: skip
    row: dict[str, Any] = {n: Spread(tuple(getattr(m, n) for m in measured)) for n in names}
    return {"label": group.label, **row}


def _classes(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Per-class IoU at home at the start, in the worst weather, and at home at the end."""
    run = groups[0].runs[0]
    worst, last = hardest_visit(groups), len(run.visits) - 1
    moments = [
        (-1, run.home, "before the first frame"),
        (worst, run.visits[worst]["domain"], "after the visit"),
        (last, run.home, "after the last visit"),
    ]
    tables = []
    for after, domain, when in moments:
        rows = []
        for name in run.classes:
            cells = [_class_cell(group, after, domain, name) for group in groups]
            rows.append({"name": name, "cells": cells})
        tables.append({"domain": domain, "when": when, "rows": rows})
    return tables


def _class_cell(group: Group, after: int, domain: str, name: str) -> dict[str, Any]:
    found = [class_scores(run, after, domain).get(name) for run in group.runs]
    spread = Spread(tuple(v for v in found if v is not None))
    return {"value": spread, "shade": 0.0 if not spread.values else spread.mean / 100}


def _pictures(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """One row per visit and kept frame: input, prediction of every method, label."""
    first = groups[0].runs[0]
    rows = []
    for number, visit in enumerate(first.visits):
        kept = 0
        while (shown := first.picture(number, visit["domain"], kept, "input")) is not None:
            cells: list[tuple[str, str | None]] = [("input", _embed(shown, photo=True))]
            for group in groups:
                path = group.runs[0].picture(number, visit["domain"], kept, "prediction")
                cells.append((group.label, None if path is None else _embed(path)))
            truth = first.picture(number, visit["domain"], kept, "truth")
            if truth is not None:
                cells.append(("label", _embed(truth)))
            rows.append({"visit": visit, "heading": _heading(visit), "cells": cells})
            kept += 1
    return rows


def _heading(visit: Mapping[str, Any]) -> tuple[str, str]:
    """A domain and its weather; only the weather if its text repeats the domain's name."""
    domain, weather = str(visit["domain"]), str(visit["weather"])
    plain = [re.sub(r"[^a-z0-9]", "", text.lower()) for text in (domain, weather)]
    return (weather, "") if plain[1].startswith(plain[0]) else (domain, weather)


def _embed(path: Path, *, photo: bool = False) -> str:
    with PillowImage.open(path) as picture:
        shown = picture.convert("RGB")
    if shown.width > WIDEST:
        size = (WIDEST, round(shown.height * WIDEST / shown.width))
        how = PillowImage.Resampling.LANCZOS if photo else PillowImage.Resampling.NEAREST
        shown = shown.resize(size, how)
    buffer = io.BytesIO()
    if photo:
        shown.save(buffer, format="JPEG", quality=85)
    else:
        shown.quantize(64).save(buffer, format="PNG", optimize=True)
    kind = "jpeg" if photo else "png"
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()
