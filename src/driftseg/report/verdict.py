"""What every method won and lost against the source model that never learns."""

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
"""The method that never learns."""


@dataclass(frozen=True)
class Verdict:
    """One method beside the source model."""

    label: str
    domain: str
    """The worst weather: where the source model scores lowest."""
    worst: Spread
    """mIoU in percent there."""
    before: float
    """The same of the source model."""
    home: Spread | None
    """Points won at home after the last visit; None where the schedule does not come home."""

    @property
    def won(self) -> float:
        """Points in the worst weather."""
        return self.worst.mean - self.before


def verdicts(groups: Sequence[Group]) -> list[Verdict]:
    """Every other method beside ``source_only``, the best in the worst weather first.

    Scores are of held-out frames right after a visit; where there are none, of the stream, before
    learning. Empty without ``source_only``, without labels, or for a schedule of one visit.
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


def hardest_visit(groups: Sequence[Group]) -> int:
    """Where the source model scores lowest; without ``source_only``, the strongest weather."""
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
