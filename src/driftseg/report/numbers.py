"""The report's numbers for other programs: one CSV row per run, or a Markdown table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from driftseg.errors import InputError
from driftseg.evaluation.continual import harmonic_mean
from driftseg.report.summary import (
    Spread,
    group_runs,
    has_held_out,
    has_labels,
    run_continual,
    run_latency,
    stream_scores,
    trained_share,
    visit_scores,
)
from driftseg.report.writing import write_whole
from driftseg.runs.record import Run

NOTHING = ""
"""A cell without a value: no labels, no held-out frames, or no visit on the way home."""


def write_numbers(runs: Sequence[Run], path: Path) -> Path:
    """Writes every number of the report's summary; returns the path.

    The columns depend on the schedule, not on the method. mIoU and shares are in percent,
    forgetting is in points of mIoU. `.csv` has one row per run with its folder, not rounded. `.md`
    has one row per config: mean ± sample standard deviation over seeds, of held-out scores if there
    are any, else of the stream. "Over all visits" is the harmonic mean.

    Raises:
        InputError: another ending, runs of different streams, or a file that cannot be written.
    """
    writers = {".csv": _csv, ".md": _markdown}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise InputError(
            f"{path}: expected a file that ends in {' or '.join(writers)}, got the ending "
            f"{path.suffix or 'none'}. To fix: name the file so"
        )
    write_whole(path, write(runs), what="the numbers")
    return path


def run_numbers(run: Run) -> dict[str, float]:
    """All numbers of one run, with the same names for every method; NaN where it has none."""
    none = [math.nan] * len(run.visits)
    held = visit_scores(run) if has_held_out(run) else none
    stream = stream_scores(run) if has_labels(run) else none
    told = [f"{i + 1}_{visit['domain']}" for i, visit in enumerate(run.visits)]
    numbers = {f"held_out_{name}": score for name, score in zip(told, held, strict=True)}
    numbers |= {f"stream_{name}": score for name, score in zip(told, stream, strict=True)}
    whole = run_continual(run)
    speed = run_latency(run)
    return numbers | {
        "forward": whole.forward,
        "backward": whole.backward,
        "mean_of_both": whole.total_of_means,
        "over_all_visits": whole.total,
        "stream_over_all_visits": harmonic_mean(stream),
        "forgotten": math.nan if whole.forgetting is None else whole.forgetting,
        "learnt_from": trained_share(run),
        "frames_per_second": math.nan if speed is None else speed.frames_per_second,
    }


def _csv(runs: Sequence[Run]) -> str:
    text = io.StringIO()
    rows = [
        {"method": group.label, "seed": run.seed}
        | {name: _plain(value) for name, value in run_numbers(run).items()}
        | {"folder": str(run.path)}
        for group in group_runs(runs)
        for run in group.runs
    ]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.6g}"


def _markdown(runs: Sequence[Run]) -> str:
    groups = group_runs(runs)
    first = groups[0].runs[0]
    scores = visit_scores if has_held_out(first) else stream_scores
    domains = [str(visit["domain"]) for visit in first.visits]
    summary = {
        "forward": "forward",
        "backward": "backward",
        "mean of both": "mean_of_both",
        "over all visits": "over_all_visits",
        f"forgotten on {first.home}, points": "forgotten",
        "stream, over all visits": "stream_over_all_visits",
        "learnt from, %": "learnt_from",
    }
    header = ["", *domains, *summary, "seeds"]
    lines = [_line(header), _line(["---"] * len(header))]
    for group in groups:
        visits = [Spread(tuple(column)) for column in group.curve(scores).T]
        numbers = [run_numbers(run) for run in group.runs]
        cells = [*visits, *(_spread(numbers, name) for name in summary.values())]
        lines.append(_line([group.label, *map(str, cells), str(len(group.runs))]))
    return "\n".join(lines) + "\n"


def _spread(numbers: Sequence[Mapping[str, float]], name: str) -> Spread:
    return Spread(tuple(row[name] for row in numbers))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
