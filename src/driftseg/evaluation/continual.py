"""Metrics of a whole run: forward, backward, total, forgetting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def harmonic_mean(values: Sequence[float]) -> float:
    """N / sum(1 / v); NaN for no values or a NaN among them, 0 if one is 0."""
    if not values or any(math.isnan(v) for v in values):
        return float("nan")
    if any(v == 0 for v in values):
        return 0.0
    return len(values) / sum(1 / v for v in values)


@dataclass(frozen=True)
class Continual:
    """Scores of one method on one schedule, all in percent.

    The score of a visit is that of its domain, evaluated right after the visit.
    """

    forward: float
    """Harmonic mean over the visits until the worst weather."""
    backward: float
    """Harmonic mean over the visits on the way home; NaN if there are none."""
    total_of_means: float
    """Arithmetic mean of the two harmonic means, as in HAMLET's tables."""
    total: float
    """Harmonic mean over all visits."""
    forgetting: float | None
    """The home domain's score before the first frame minus its score after the last; above 0
    means forgetting. None without an evaluation before the first frame."""


def continual(
    scores: Sequence[float],
    directions: Sequence[str],
    *,
    home: tuple[float, float] | None = None,
) -> Continual:
    """Computes the metrics of a run.

    Args:
        scores: mIoU of each visit's domain right after the visit.
        directions: ``forward`` or ``backward`` of each visit.
        home: the home domain's score before the first frame and after the last.
    """
    forward = [s for s, d in zip(scores, directions, strict=True) if d == "forward"]
    backward = [s for s, d in zip(scores, directions, strict=True) if d == "backward"]
    ahead, back = harmonic_mean(forward), harmonic_mean(backward)
    return Continual(
        forward=ahead,
        backward=back,
        total_of_means=(ahead + back) / 2 if backward else ahead,
        total=harmonic_mean(scores),
        forgetting=None if home is None else home[0] - home[1],
    )
