"""Looks at held-out source frames, also in synthetic weather, to learn what fits the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from driftseg.control.calibration import Calibration, ConfidenceTable
from driftseg.errors import InputError
from driftseg.learners.answering import answer
from driftseg.learners.settings import SignalSettings
from driftseg.methods.signal import drift_signal
from driftseg.models.network import Network
from driftseg.models.roles import Roles
from driftseg.models.segmenter import upsample
from driftseg.scenes.dataset import Dataset
from driftseg.stream.schedule import Visit, rain_name
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather


@torch.no_grad()
def calibrate(
    model: Network,
    dataset: Dataset,
    weather: Weather,
    *,
    rates: Sequence[float],
    signal: SignalSettings | None = None,
) -> Calibration:
    """Runs the source model over frames as they are and in rain.

    Args:
        model: as it will start; nothing of it changes.
        dataset: labelled source frames in stream order that the model was not trained on.
        weather: how rain is rendered.
        rates: mm/h.
        signal: as the method's.

    Raises:
        InputError: a frame has no label.
    """
    signal = SignalSettings(1) if signal is None else signal
    roles = Roles(model, [], static="early")
    table = ConfidenceTable(model.classes)
    signals: dict[str, list[float]] = {}
    for rate in (0.0, *rates):
        visit = Visit(rain_name(rate), Conditions(rain=rate))
        for index in range(len(dataset)):
            scene = dataset.scene(index)
            image = weather.on(scene, visit.conditions, visit.domain)
            answered = answer(roles, image)
            found = drift_signal(
                roles, answered, shrink=signal.shrink, full_resolution=signal.full_resolution
            )
            signals.setdefault(visit.domain, []).append(found)
            if rate == 0:
                if scene.label is None:
                    raise InputError(f"calibration frame {scene.name} has no label")
                best = upsample(answered.logits, answered.size).softmax(dim=1)[0].max(dim=0)
                table.add(
                    best.values.cpu().numpy(), best.indices.cpu().numpy(), np.asarray(scene.label)
                )
    return Calibration(signals, table)
