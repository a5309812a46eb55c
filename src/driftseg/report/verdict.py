"""The gains and losses of every method against the source model without adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from driftseg.report.summary import (
    Group,
    Spread,
    has_held_out,
    stream_scores,
    visit_scores,
    worst_visit,
)
from driftseg.runs.record import Run

STILL = "source_only"
"""The method without adaptation."""


@dataclass(frozen=True)
class Verdict:
    """One method compared with the source model."""

    label: str
    domain: str
    """The domain in which the source model scores lowest."""
    worst: Spread
    """mIoU in percent in that domain."""
    before: float
    """mIoU in percent of the source model in that domain."""
    home: Spread | None
    """Points of mIoU gained at home after the last visit; None if the schedule ends elsewhere."""

    @property
    def won(self) -> float:
        """Points of mIoU gained in the worst weather."""
        return self.worst.mean - self.before


def verdicts(groups: Sequence[Group]) -> list[Verdict]:
    """Every other method compared with ``source_only``, sorted by the gain in the worst weather.

    Scores are of held-out frames right after a visit. Without held-out frames they are of the
    stream, before learning. Empty without ``source_only``, without labels, or for a schedule of
    one visit.
    """
    still = _still(groups)
    if still is None or len(still.runs[0].visits) < 2:
        return []
    first = still.runs[0]
    last = len(first.visits) - 1
    scores = still.curve(_scores).mean(axis=0)
    if np.isnan(scores).any():
        return []
    worst = hardest_visit(groups)
    before, home = float(scores[worst]), float(scores[last])
    comes_home = first.visits[last]["domain"] == first.home
    found = [
        Verdict(
            group.label,
            first.visits[worst]["domain"],
            group.over_seeds(lambda run: _scores(run)[worst]),
            before,
            group.over_seeds(lambda run: _scores(run)[last] - home) if comes_home else None,
        )
        for group in groups
        if group is not still and not np.isnan(group.curve(_scores)[:, [worst, last]]).any()
    ]
    return sorted(found, key=lambda verdict: -verdict.won)


def points(value: float) -> str:
    """A difference in points with its sign; none at zero."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("-0.0", "+0.0") else text


def hardest_visit(groups: Sequence[Group]) -> int:
    """The visit in which the source model scores lowest; without it, the strongest weather."""
    still = _still(groups)
    if still is not None:
        scores = still.curve(_scores).mean(axis=0)
        if not np.isnan(scores).any():
            return int(scores.argmin())
    return worst_visit(groups[0].runs[0])


def _still(groups: Sequence[Group]) -> Group | None:
    return next((group for group in groups if group.runs[0].method == STILL), None)


def _scores(run: Run) -> list[float]:
    return visit_scores(run) if has_held_out(run) else stream_scores(run)
