"""Looks at held-out source frames, also in synthetic weather, to learn what fits the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from driftseg.control.calibration import (
    ConfidenceTable,
    DetectorCalibration,
    calibrate_detector,
)
from driftseg.errors import InputError
from driftseg.methods.base import answer
from driftseg.methods.signal import drift_signal
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Segmenter, upsample
from driftseg.scenes.dataset import Dataset
from driftseg.stream.schedule import Visit, rain_name
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather

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
            raise InputError("calibration needs a model with an early head: see driftseg train")
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


@torch.no_grad()
def calibrate(
    model: Segmenter,
    dataset: Dataset,
    weather: Weather,
    *,
    rates: Sequence[float],
    signal_shrink: int = 1,
    full_resolution_signal: bool = False,
) -> Calibration:
    """Runs the source model over frames as they are and in rain.

    Args:
        model: as it will start; nothing of it changes.
        dataset: labelled source frames in stream order that the model was not trained on.
        weather: how rain is rendered.
        rates: mm/h.
        signal_shrink: as the method's, since it changes the signal.
        full_resolution_signal: likewise.

    Raises:
        InputError: a frame has no label.
    """
    roles = Roles(model, [], static="early")
    table = ConfidenceTable(model.head.classes)
    signals: dict[str, list[float]] = {}
    for rate in (0.0, *rates):
        visit = Visit(rain_name(rate), Conditions(rain=rate))
        for index in range(len(dataset)):
            scene = dataset.scene(index)
            image = weather.on(scene, visit.conditions, visit.domain)
            answered = answer(roles, image)
            if model.early_head is not None:
                signal = drift_signal(
                    roles, answered, shrink=signal_shrink, full_resolution=full_resolution_signal
                )
                signals.setdefault(visit.domain, []).append(signal)
            if rate == 0:
                if scene.label is None:
                    raise InputError(f"calibration frame {scene.name} has no label")
                best = upsample(answered.logits, answered.size).softmax(dim=1)[0].max(dim=0)
                table.add(
                    best.values.cpu().numpy(), best.indices.cpu().numpy(), np.asarray(scene.label)
                )
    return Calibration(signals, table)
