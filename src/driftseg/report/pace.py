"""Accuracy against the pace of a stream that did not wait for the method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from driftseg.evaluation.continual import harmonic_mean
from driftseg.evaluation.pace import PaceCounts, pace_counts, summed
from driftseg.report.plots import colour_of
from driftseg.report.summary import Group, Spread, stream_scores
from driftseg.runs.record import Run

COUNTS = ("answered", "late", "dropped", "learnt_from", "not_learnt_from")


def pace_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """One row per method and pace, the rows of a method together; empty if every stream waited."""
    if not any(_pace(group.runs[0]) for group in groups):
        return []
    methods = list(dict.fromkeys(group.runs[0].method for group in groups))
    order = sorted(
        range(len(groups)),
        key=lambda i: (methods.index(groups[i].runs[0].method), _speed(_pace(groups[i].runs[0]))),
    )
    return [{"label": groups[i].label, "colour": colour_of(i), **_row(groups[i])} for i in order]


def _row(group: Group) -> dict[str, Any]:
    pace = _pace(group.runs[0])
    counts = {name: group.over_seeds(lambda run, n=name: _count(run, n)) for name in COUNTS}  # type: ignore[misc]
    return {
        "pace": _told(pace),
        "policy": "–" if pace is None else pace["policy"],
        "costs": "–" if pace is None else _costs(pace["costs"]),
        "stream": group.over_seeds(lambda run: harmonic_mean(stream_scores(run))),
        "counts": ["–" if pace is None else _number(spread) for spread in counts.values()],
    }


def _number(spread: Spread) -> str:
    return str(spread) if len(spread.values) > 1 else f"{spread.mean:g}"


def _pace(run: Run) -> Mapping[str, Any] | None:
    return run.config.get("pace")


def _count(run: Run, name: str) -> float:
    counts = pace_counts(run.frames, len(run.visits))
    empty = PaceCounts(0, 0, 0, 0, 0, 0)
    return float(getattr(empty if counts is None else summed(counts), name))


def _speed(pace: Mapping[str, Any] | None) -> float:
    """For the order of rows: the stream that waits, then slow to fast."""
    if pace is None:
        return 0.0
    return float(pace.get("relative") or pace.get("frames_per_second") or 0)


def _told(pace: Mapping[str, Any] | None) -> str:
    if pace is None:
        return "waits"
    if pace.get("relative") is not None:
        return f"{pace['relative']:g} per answer of the source model"
    return f"{pace['frames_per_second']:g} frames/s"


def _costs(costs: Mapping[str, Any] | None) -> str:
    if costs is None:
        return "measured"
    if costs.get("learn_ms") is not None:
        return f"answer {costs['predict_ms']:g} ms, step {costs['learn_ms']:g} ms"
    return f"answer {costs.get('predict') or 1:g}, step {costs['learn']:g}"
