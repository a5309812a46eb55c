"""Bootstrap intervals of paired differences: over seeds, and over frames of the stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from driftseg.runs.record import Run

Floats = npt.NDArray[np.float64]
LEVEL = 0.95
FEWEST = 3
"""Least number of pairs. Fewer do not show the variation of a difference."""
RESAMPLES, FRAME_RESAMPLES = 20_000, 2_000
BLOCK = 10
"""Consecutive frames that are drawn together, because neighbours are similar; at most a fifth of a
visit."""
BLOCKS = 5
"""Least number of blocks in a visit."""


@dataclass(frozen=True)
class Interval:
    """The 95 % confidence interval of a difference."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the difference is certain at this level."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{signed(self.low)} to {signed(self.high)}"


def signed(value: float) -> str:
    """A number with its sign; a number that rounds to 0 has none."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def seeds_interval(differences: Sequence[float], *, seed: int = 0) -> Interval | None:
    """Interval of the mean of paired differences, over the pairs; None for fewer than three.

    The percentile bootstrap is too narrow for few pairs. Its quantiles are moved outwards by the
    ratio of Student's t to the normal distribution (Hesterberg, The American Statistician 69, 2015,
    section 5.3: the expanded percentile interval).

    Args:
        differences: one per pair.
        seed: of the draws.
    """
    values = np.asarray(differences, dtype=np.float64)
    number = len(values)
    if number < FEWEST:
        return None
    generator = np.random.default_rng(seed)
    means = values[generator.integers(0, number, (RESAMPLES, number))].mean(axis=1)
    tail = expanded_tail(number)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def expanded_tail(number: int) -> float:
    """The share outside the interval on each side, for this number of values."""
    wide = math.sqrt(number / (number - 1)) * t_quantile(0.5 + LEVEL / 2, number - 1)
    return NormalDist().cdf(-wide)


def t_quantile(share: float, freedom: int) -> float:
    """Quantile above 0.5 of Student's t with a whole number of degrees of freedom."""
    low, high = 0.0, 1.0
    while _t_cdf(high, freedom) < share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_cdf(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def _t_cdf(value: float, freedom: int) -> float:
    """Abramowitz and Stegun, 26.7.3 and 26.7.4; for values of at least 0."""
    angle = math.atan(value / math.sqrt(freedom))
    cosine = math.cos(angle)
    term = cosine if freedom % 2 else 1.0
    total = term if freedom > 1 else 0.0
    for step in range(3 if freedom % 2 else 2, freedom, 2):
        term *= (step - 1) / step * cosine**2
        total += term
    inner = total * math.sin(angle)
    if freedom % 2:
        inner = 2 / math.pi * (angle + inner)
    return 0.5 + inner / 2


def frames_interval(pairs: Sequence[tuple[Run, Run]], *, seed: int = 0) -> Interval | None:
    """Interval of the difference of stream mIoU over all visits, over the stream's frames.

    Blocks of consecutive frames are drawn within each visit, the same for all runs. Of m blocks, m
    - 1 are drawn, so the spread of a draw is that of the estimate (Rao and Wu, 1988). Differences
    are means over pairs.

    Args:
        pairs: a run and the run it is compared with.
        seed: of the draws.

    Returns:
        None if runs scored different frames, or a visit has fewer than five labelled frames.
    """
    frames = {_frames(run) for pair in pairs for run in pair}
    visits = range(len(pairs[0][0].visits)) if pairs else range(0)
    if len(frames) != 1 or not visits:
        return None
    sizes = [sum(visit == number for visit, _ in next(iter(frames))) for number in visits]
    if min(sizes) < BLOCKS:
        return None
    generator = np.random.default_rng(seed)
    draws = [_draws(size, generator) for size in sizes]
    total = np.zeros(FRAME_RESAMPLES)
    scores: dict[int, Floats] = {}
    for first, second in pairs:
        for run in (first, second):
            if id(run) not in scores:
                scores[id(run)] = _drawn_scores(run, draws)
        total += (scores[id(first)] - scores[id(second)]) / len(pairs)
    low, high = np.nanquantile(total, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _frames(run: Run) -> tuple[tuple[int, str], ...]:
    """The scored frames in order."""
    return tuple((row["visit"], str(row["name"])) for row in run.frames if row["labelled"])


def _draws(size: int, generator: np.random.Generator) -> Floats:
    """Number of times each frame of a visit is drawn, (resamples, frames)."""
    length = min(BLOCK, size // BLOCKS)
    block = np.arange(size) // length
    number = int(block[-1]) + 1
    counts = generator.multinomial(number - 1, [1 / number] * number, FRAME_RESAMPLES)
    return np.asarray(counts[:, block], dtype=np.float64)


def _drawn_scores(run: Run, draws: Sequence[Floats]) -> Floats:
    """The harmonic mean over visits of the mIoU in percent, of every draw, (resamples,)."""
    inverse = np.zeros(FRAME_RESAMPLES)
    for visit, counts in enumerate(draws):
        rows = [row for row in run.frames if row["visit"] == visit and row["labelled"]]
        part = counts @ np.array([row["intersection"] for row in rows], dtype=np.float64)
        whole = counts @ np.array([row["union"] for row in rows], dtype=np.float64)
        there = whole > 0
        iou = np.divide(part, whole, out=np.zeros_like(part), where=there)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse += 1 / (iou.sum(axis=1) / there.sum(axis=1))
    return np.asarray(100 * len(draws) / inverse, dtype=np.float64)
