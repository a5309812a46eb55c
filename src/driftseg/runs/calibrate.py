"""Measures the model on held-out source frames, also in rendered weather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from driftseg.control.calibration import Calibration, ConfidenceTable
from driftseg.errors import InputError
from driftseg.learners.answering import answer
from driftseg.learners.settings import MethodSettings
from driftseg.methods.signal import drift_signal
from driftseg.models.network import Network
from driftseg.models.roles import Role
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
    method: MethodSettings,
) -> Calibration:
    """Runs the source model over frames without and with rain, as the method does at its start.

    Results are compared with values of the method later, so both are measured in the same way:

    * every role uses the statistics of ``norm_statistics``. Under ``batch`` the student uses those
      of each frame; under ``running`` those of the checkpoint, because nothing has changed them
      yet.
    * the signal comes from the student's prediction, as in the stream. An offline role is a copy of
      it at first and does not affect the signal.
    * confidence is that of the role that gives pseudo-labels: the teacher, if there is one. Its
      weights are the student's at first, but under ``published`` its statistics are those of each
      frame.

    Args:
        model: in its state at the start; no weight or statistic changes.
        dataset: labelled source frames in stream order that were not used in training.
        weather: renders rain.
        rates: of rain in mm/h.
        method: of the run.

    Raises:
        InputError: a frame has no label, or the network lacks a part that the method trains.
    """
    signal, needs = method.signal, method.needs()
    static = "early" if needs.static == "none" else needs.static
    roles = replace(needs, static=static, offline=False).roles(model)
    labeller: Role = "teacher" if needs.teacher else "student"
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
                    raise InputError(
                        f"calibration.data: expected labelled frames, got {scene.name} without "
                        "a label. To fix: leave it out with exclude, or add its label"
                    )
                logits = roles.logits(labeller, roles.levels(labeller, answered.walk))
                best = upsample(logits, answered.size).softmax(dim=1)[0].max(dim=0)
                table.add(
                    best.values.cpu().numpy(), best.indices.cpu().numpy(), np.asarray(scene.label)
                )
    return Calibration(signals, table)
