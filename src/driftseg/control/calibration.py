"""What fits a model: the detector's window and thresholds, and how far to trust confidence.

HAMLET's constants (a signal of 0.8 at the source and 2.55 far away, thresholds of 0.23, 75
frames, a confidence of .968) fit Cityscapes with MiT-B1 only. Here they are learnt from source
frames that the model was not trained on, and from synthetic weather rendered on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.control.budget import Levels
from driftseg.errors import InputError
from driftseg.labels import IGNORE

PUBLISHED_LEVELS = Levels(0.8, 2.55)
PUBLISHED_RISE = 0.23
PUBLISHED_WINDOW = 75
STEPS = (PUBLISHED_LEVELS.far - PUBLISHED_LEVELS.source) / PUBLISHED_RISE
"""Thresholds between the source's level and the far one in the published constants: 7.6."""
SAFETY = 2.5
"""Standard deviations of the difference of two windows that a threshold must exceed."""
BINS = 200
EDGES = 1 - 10 ** -np.linspace(0, 4, BINS + 1)[:-1]
"""Lower edges of the bins of confidence, finer towards 1: from 0 to .9999."""

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DetectorCalibration:
    """Settings of a window detector and of the budget that answers it."""

    window: int
    rise: float
    fall: float
    source_level: float
    far_level: float
    noise: float
    """Standard deviation of the mean of one window on source frames."""
    signals: Mapping[str, float]
    """Mean signal of every kind of weather looked at; the first is the source as it is."""
    frames: int

    @property
    def levels(self) -> Levels:
        """For the budget."""
        return Levels(self.source_level, self.far_level)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def calibrate_detector(
    signals: Mapping[str, Sequence[float]], *, longest_window: int = PUBLISHED_WINDOW
) -> DetectorCalibration:
    """Learns window and thresholds.

    The far level is the largest mean over the kinds of weather; without any it is set 7.6
    thresholds above the source's, the published proportion. The threshold is the published
    share of the way from source to far, and the window the shortest whose noise is safely below
    it. If even the longest is too noisy, the threshold is raised to what the noise allows.

    Args:
        signals: of the same frames in stream order, by kind of weather; the source first.
        longest_window: frames a decision may take.

    Raises:
        InputError: fewer than four frames, or weather that does not raise the signal.
    """
    (source_name, source), *others = signals.items()
    series = np.asarray(source, dtype=np.float64)
    if len(series) < 4:
        raise InputError(
            f"calibration: expected at least 4 source frames, got {len(series)}. To fix: take more "
            "frames"
        )
    means = {name: float(np.mean(values)) for name, values in signals.items()}
    level = means[source_name]
    gap = max((means[name] for name, _ in others), default=math.nan) - level
    if gap <= 0:
        raise InputError(
            "calibration: expected a drift signal that rises in rendered rain, got no rise "
            f"({means}). To fix: train the early head longer, or render stronger rain"
        )
    wanted = gap / STEPS if others else math.nan
    noise = {w: window_noise(series, w) for w in range(min(2, longest_window), longest_window + 1)}
    least = {w: SAFETY * math.sqrt(2) * value for w, value in noise.items()}
    fitting = [w for w, value in least.items() if value <= wanted]
    window = fitting[0] if fitting else longest_window
    rise = wanted if fitting else least[window]
    far = level + (gap if others else STEPS * rise)
    return DetectorCalibration(
        window, rise, -rise, level, far, noise[window], means, len(series)
    )  # fmt: skip


def window_noise(series: Floats, window: int) -> float:
    """Standard deviation of the mean of ``window`` neighbouring signals.

    Measured over all such windows while at least three fit into the series one after another;
    longer ones go on with the square root of their length.
    """
    measured = max(1, min(window, len(series) // 3))
    means = np.convolve(series, np.ones(measured) / measured, mode="valid")
    return float(means.std(ddof=1) * math.sqrt(measured / window))


class ConfidenceTable:
    """How often a model is right at which confidence, per predicted class.

    Args:
        classes: C.
    """

    def __init__(self, classes: int):
        self.right: Counts = np.zeros((classes, BINS), dtype=np.int64)
        self.wrong: Counts = np.zeros((classes, BINS), dtype=np.int64)

    def add(
        self,
        confidence: npt.NDArray[np.float32],
        prediction: npt.NDArray[np.integer[Any]],
        label: npt.NDArray[np.integer[Any]],
    ) -> None:
        """Counts one image; (H, W) each, pixels labelled 255 are not counted."""
        known = label != IGNORE
        bins = np.searchsorted(EDGES, confidence[known], side="right") - 1
        place = prediction[known].astype(np.int64) * BINS + bins
        right = prediction[known] == label[known]
        size = self.right.size
        self.right += np.bincount(place[right], minlength=size).reshape(self.right.shape)
        self.wrong += np.bincount(place[~right], minlength=size).reshape(self.wrong.shape)

    def share_thresholds(self, share: float, *, per_class: bool) -> list[float]:
        """Thresholds that a ``share`` of source pixels pass, one or one a class."""
        return [_passed_by(total, share) for total in self._totals(per_class)]

    def precision_thresholds(self, precision: float, *, per_class: bool) -> list[float]:
        """Lowest thresholds above which ``precision`` of source pixels are right.

        A class that never gets there is never believed (threshold above 1); one that was never
        predicted is judged like all classes together.
        """
        overall = _precise(self.right.sum(0), self.wrong.sum(0), precision)
        if not per_class:
            return [overall]
        return [
            _precise(right, wrong, precision) if right.sum() + wrong.sum() else overall
            for right, wrong in zip(self.right, self.wrong, strict=True)
        ]

    def _totals(self, per_class: bool) -> list[Counts]:
        total = self.right + self.wrong
        everything = total.sum(axis=0)
        if not per_class:
            return [everything]
        return [one if one.sum() else everything for one in total]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"right": self.right.tolist(), "wrong": self.wrong.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ConfidenceTable:
        """The table that `to_json` wrote."""
        table = cls(len(values["right"]))
        table.right = np.array(values["right"], dtype=np.int64)
        table.wrong = np.array(values["wrong"], dtype=np.int64)
        return table


def _passed_by(counts: Counts, share: float) -> float:
    above = np.cumsum(counts[::-1])[::-1] / max(int(counts.sum()), 1)
    return float(EDGES[np.flatnonzero(above >= share)[-1]]) if (above >= share).any() else 0.0


def _precise(right: Counts, wrong: Counts, precision: float) -> float:
    hits, misses = np.cumsum(right[::-1])[::-1], np.cumsum(wrong[::-1])[::-1]
    counted = hits + misses
    good = (hits >= precision * counted) & (counted > 0)
    return float(EDGES[np.flatnonzero(good)[0]]) if good.any() else 1.1


SHARES = (0.5, 0.7, 0.8, 0.9)
PRECISIONS = (0.9, 0.95, 0.98)
"""Told in records beside what a rule asks for."""


@dataclass(frozen=True)
class Calibration:
    """What was seen on the calibration frames."""

    signals: Mapping[str, Sequence[float]]
    """Per kind of weather the signal of every frame, in order; the first is the source as it
    is. Empty when the model has no early head."""
    confidence: ConfidenceTable
    """Of the source as it is."""

    def detector(self, longest_window: int) -> DetectorCalibration:
        """Window and thresholds.

        Raises:
            InputError: no signal was measured, or none that can be used.
        """
        if not self.signals:
            raise InputError(
                "calibration: expected a model with an early head, got one without. To fix: "
                "train one with driftseg train"
            )
        return calibrate_detector(self.signals, longest_window=longest_window)

    def to_json(self, longest_window: int | None) -> dict[str, Any]:
        """For the record: what was learnt and what it was learnt from.

        Args:
            longest_window: of a detector; None leaves the detector out.
        """
        learnt: dict[str, Any] = {}
        if longest_window is not None and self.signals:
            learnt["detector"] = self.detector(longest_window).to_json()
            learnt["signals"] = {name: list(values) for name, values in self.signals.items()}
        learnt["confidence"] = {
            f"that {100 * share:g} % of source pixels have": self.share(share) for share in SHARES
        } | {
            f"above which {100 * share:g} % are right": self.precision(share)
            for share in PRECISIONS
        }
        return learnt

    def share(self, share: float) -> float:
        """Confidence that a share of source pixels have."""
        return self.confidence.share_thresholds(share, per_class=False)[0]

    def precision(self, precision: float) -> float | None:
        """Least confidence above which a share of source pixels are right; None if none is."""
        found = self.confidence.precision_thresholds(precision, per_class=False)[0]
        return found if found <= 1 else None
