"""How much of what the drift takes is won back, measured against a supervised oracle."""

from __future__ import annotations

import math
from collections.abc import Sequence

SMALLEST_GAP = 0.5
"""Points of mIoU; where the oracle is not this much better than the source model, there is
nothing to win back and the share would be noise."""


def recovery(method: float, source: float, oracle: float) -> float:
    """Percent of the gap between source and oracle that the method closed.

    0 is as good as the source model, 100 as the oracle; it may lie outside. NaN where the gap is
    below `SMALLEST_GAP`, the oracle is worse than the source, or a score is missing.
    """
    gap = oracle - source
    if math.isnan(method) or not gap >= SMALLEST_GAP:
        return float("nan")
    return 100 * (method - source) / gap


def total_recovery(
    methods: Sequence[float], sources: Sequence[float], oracles: Sequence[float]
) -> float:
    """Points won over points that were to be won, in percent, over the visits with a gap.

    Large gaps weigh more, so that a visit with hardly a gap cannot decide it.
    """
    scores = zip(methods, sources, oracles, strict=True)
    kept = [(m - s, o - s) for m, s, o in scores if not math.isnan(recovery(m, s, o))]
    if not kept:
        return float("nan")
    return 100 * sum(won for won, _ in kept) / sum(gap for _, gap in kept)
