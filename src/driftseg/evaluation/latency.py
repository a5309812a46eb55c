"""Times of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """Times over a run's frames; of predict and adapt together, unless stated otherwise."""

    frames_per_second: float
    """Number of frames divided by the sum of their times."""
    median_ms: float
    p95_ms: float
    predict_median_ms: float
    """Time until the prediction."""
    predict_p95_ms: float


def latency(predict_ms: Sequence[float], adapt_ms: Sequence[float]) -> Latency | None:
    """Latency over a run's frames; None without frames."""
    if not predict_ms:
        return None
    predict = np.asarray(predict_ms, dtype=np.float64)
    total = predict + np.asarray(adapt_ms, dtype=np.float64)
    return Latency(
        frames_per_second=float(1000 * len(total) / total.sum()),
        median_ms=float(np.percentile(total, 50)),
        p95_ms=float(np.percentile(total, 95)),
        predict_median_ms=float(np.percentile(predict, 50)),
        predict_p95_ms=float(np.percentile(predict, 95)),
    )
