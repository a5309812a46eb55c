"""Share of the gap to a supervised oracle that a method closes."""

from __future__ import annotations

import math
from collections.abc import Sequence

SMALLEST_GAP = 0.5
"""Points of mIoU. If the oracle is less than this better than the source model, the share would be
noise."""


def recovery(method: float, source: float, oracle: float) -> float:
    """Percent of the gap between source and oracle that the method closed.

    0 equals the source model, 100 equals the oracle; values outside are possible. NaN if the gap is
    below `SMALLEST_GAP`, the oracle is worse than the source, or a score is missing.
    """
    gap = oracle - source
    if math.isnan(method) or not gap >= SMALLEST_GAP:
        return float("nan")
    return 100 * (method - source) / gap


def total_recovery(
    methods: Sequence[float], sources: Sequence[float], oracles: Sequence[float]
) -> float:
    """Sum of gained points divided by the sum of gaps, in percent, over the visits with a gap.

    Large gaps have more weight, so a visit with a very small gap has little effect.
    """
    scores = zip(methods, sources, oracles, strict=True)
    kept = [(m - s, o - s) for m, s, o in scores if not math.isnan(recovery(m, s, o))]
    if not kept:
        return float("nan")
    return 100 * sum(won for won, _ in kept) / sum(gap for _, gap in kept)
