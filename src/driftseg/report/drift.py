"""Numbers of a domain change: detections, training and recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from driftseg.errors import InputError
from driftseg.evaluation.changes import Change, Detection, Event, compare, true_changes
from driftseg.evaluation.confusion import mean, ratio
from driftseg.evaluation.recovery import SMALLEST_GAP, recovery, total_recovery
from driftseg.report.plots import Floats, strength_of
from driftseg.report.summary import (
    Group,
    Spread,
    flat,
    has_held_out,
    same_world,
    trained_share,
    visit_scores,
)
from driftseg.runs.record import Run

SKIPS = ("deadline", "not finite", "paused")
"""Reasons why the method skipped a frame that it planned to learn from."""
STAGES = 4


def has_signal(run: Run) -> bool:
    """Whether the method recorded a drift signal."""
    return any(frame.get("signal") is not None for frame in run.frames)


def changes_of(run: Run) -> list[Change]:
    """The true domain changes of a run up to its last frame."""
    visits = run.visits
    changes = true_changes(
        [visit["domain"] for visit in visits],
        [visit["frames"] for visit in visits],
        [strength_of(visit) for visit in visits],
        home=run.home,
    )
    if run.part is None:
        return changes
    last = run.frames[-1]["index"] if run.frames else -1
    return [change for change in changes if change.frame <= last]


def events_of(run: Run) -> list[Event]:
    """The detections of a run."""
    return [
        Event(frame["index"], frame["event"]["direction"])
        for frame in run.frames
        if frame.get("event") is not None
    ]


def detection_of(run: Run) -> Detection:
    """Detected changes compared with the true ones."""
    return compare(changes_of(run), events_of(run))


def plan_of(frame: Mapping[str, Any], name: str) -> Any:
    """One entry of a frame's plan; None without a plan."""
    plan = frame.get("plan")
    return None if plan is None else plan.get(name)


def known(values: Sequence[float]) -> Spread:
    """A number over the seeds in which it is defined."""
    return Spread(tuple(value for value in values if not np.isnan(value)))


def detection_row(group: Group) -> dict[str, Any]:
    """Detection, training and skipped frames, over seeds."""
    found = [detection_of(run) for run in group.runs]
    right = [detection.right_ways for detection in found]
    return {
        "label": group.label,
        "changes": len(found[0].answers),
        "found": Spread(tuple(float(d.found) for d in found)),
        "missed": Spread(tuple(float(d.missed) for d in found)),
        "false_alarms": Spread(tuple(float(d.false_alarms) for d in found)),
        "repeats": Spread(tuple(float(len(d.repeats)) for d in found)),
        "delay": known([d.mean_delay for d in found]),
        "right": known([100 * told / of if of else float("nan") for told, of in right]),
        "trained": group.over_seeds(trained_share),
        "skipped": {
            reason: group.over_seeds(lambda run, r=reason: _skips(run, r))  # type: ignore[misc]
            for reason in SKIPS
        },
    }


def _skips(run: Run, reason: str) -> float:
    """Frames skipped for one reason."""
    return float(sum(plan_of(frame, "skipped") == reason for frame in run.frames))


def detector_of(run: Run) -> str | None:
    """The detector's name in words."""
    for frame in run.frames:
        if frame.get("detector") is not None:
            return str(frame["detector"]["name"]).replace("_", " ")
    return None


def module_shares(group: Group) -> list[dict[str, Any]]:
    """Percent of trained frames by module, over seeds; empty where no module was chosen."""
    shares = []
    for run in group.runs:
        chosen = [plan_of(frame, "module") for frame in run.frames if frame["trained"]]
        chosen = [module for module in chosen if module is not None]
        if chosen:
            shares.append([100 * chosen.count(n) / len(chosen) for n in range(1, STAGES + 1)])
    return [
        {"name": f"stages {n} to {STAGES}" if n < STAGES else f"stage {STAGES} alone",
         "share": Spread(tuple(share[n - 1] for share in shares))}
        for n in range(1, STAGES + 1)
    ] if shares else []  # fmt: skip


def calibration_rows(run: Run) -> list[tuple[str, str]]:
    """Results of the calibration on source frames: a name and a short text each."""
    values = flat(run.calibration or {})
    return [(name.replace("_", " "), _short(value)) for name, value in values.items()]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and len(value) > 4:
        numbers = [v for v in value if isinstance(v, int | float)]
        told = f", {min(numbers):.4g} to {max(numbers):.4g}" if numbers else ""
        return f"{len(value)} values{told}"
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value) or "–"
    return "–" if value is None else str(value)


def running_scores(run: Run, width: int = 15) -> Floats:
    """MIoU in percent at every frame, over the last ``width`` frames of its visit.

    Intersections and unions are summed first. At the beginning of a visit it is over the visit's
    first ``width`` frames, because a score over one or two frames is noisy. NaN without labels.
    """
    visits = np.array([frame["visit"] for frame in run.frames])
    part = np.array([frame["intersection"] for frame in run.frames])
    whole = np.array([frame["union"] for frame in run.frames])
    scores = np.full(len(visits), np.nan)
    for at, visit in enumerate(visits):
        first, after = np.searchsorted(visits, [visit, visit + 1])
        stop = min(max(at + 1, first + width), after)
        near = slice(max(first, stop - width), stop)
        scores[at] = 100 * mean(ratio(part[near].sum(axis=0), whole[near].sum(axis=0)))
    return scores


def source_run(groups: Sequence[Group], run: Run) -> Run | None:
    """The page's source_only run with the same weights."""
    digest = run.environment.get("weights_digest")
    for group in groups:
        for other in group.runs:
            if other.method == "source_only" and other.environment.get("weights_digest") == digest:
                return other
    return None


def recovery_table(groups: Sequence[Group], oracle: Run) -> dict[str, Any]:
    """The share of the gap between source and oracle that each method closed, for each visit.

    Raises:
        InputError: the oracle has another stream, or a run has no held-out scores.
    """
    first = groups[0].runs[0]
    same_world(oracle, first)
    for run in (first, oracle):
        if not has_held_out(run):
            raise InputError(
                f"{run.path}: expected held-out scores, which --oracle compares, got none. To fix: "
                "set evaluation in the config and run again"
            )
    best = visit_scores(oracle)
    rows = []
    for group in groups:
        if group.runs[0].method == "source_only":
            continue
        scores = [(visit_scores(run), _source_scores(groups, run)) for run in group.runs]
        visits = [
            known([recovery(m[i], s[i], best[i]) for m, s in scores]) for i in range(len(best))
        ]
        rows.append(
            {
                "label": group.label,
                "index": groups.index(group),
                "cells": [*visits, known([total_recovery(m, s, best) for m, s in scores])],
            }
        )
    return {
        "rows": rows,
        "oracle": oracle.path.name + ("" if oracle.part is None else f" ({oracle.part})"),
        "scores": [
            ("source", [Spread((v,)) for v in _source_scores(groups, first)]),
            ("oracle", [Spread((v,)) for v in best]),
        ],
        "smallest_gap": f"{SMALLEST_GAP:g}",
        "own_start": any(source_run(groups, run) is None for g in groups for run in g.runs),
    }


def _source_scores(groups: Sequence[Group], run: Run) -> list[float]:
    """Scores of each visit's domain by the source_only run, or else before the first frame."""
    source = source_run(groups, run)
    if source is not None:
        return visit_scores(source)
    return visit_scores(run, after=-1)
