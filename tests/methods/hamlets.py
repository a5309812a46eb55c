"""Small HAMLETs for tests."""

from __future__ import annotations

import numpy as np
import torch

from driftseg.control.after_change import AfterChange
from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import WindowDetector
from driftseg.control.selection import RewardSelector
from driftseg.learners.parts.confidence import Thresholds
from driftseg.learners.parts.mixing import Mixing
from driftseg.learners.self_training import SelfTraining
from driftseg.learners.settings import Composition, SignalSettings
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.models.roles import Roles
from driftseg.models.trainable import choices, trainable_names


class Clock:
    """Seconds that pass as they are told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.per_reading = 0.0

    def __call__(self) -> float:
        self.now += self.per_reading
        return self.now


def make(
    model,
    replay,
    *,
    train=("encoder", "head"),
    selector=None,
    fusion: bool = True,
    base: int = 100,
    start: bool = True,
    detector=None,
    distance: float = 0.0,
    drifting: bool = False,
    **changes,
) -> AdaptiveModel:
    norm_statistics = changes.pop("norm_statistics", "source")
    roles = Roles(
        model, trainable_names(model, train), teacher=True, learning=(),
        static="whole" if distance > 0 else "early", norm_statistics=norm_statistics,
        offline=changes.pop("offline", ()),
    )  # fmt: skip
    training = SelfTraining(
        roles, replay, head_factor=10.0, weight_decay=0.01, teacher_momentum=0.999,
        confidence=Thresholds([0.3]), ignored_rows=(0, 0),
        mixing=Mixing(0.2, True, np.random.default_rng(0)),
        feature_distance_weight=distance, feature_distance_classes=range(11),
        frozen_tensors_drift=drifting,
        dropout_generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    modules = choices(model, roles.trainable, fusion=fusion)
    memory = changes.pop("memory", None)
    signal = SignalSettings(
        changes.pop("signal_shrink", 1), changes.pop("full_resolution_signal", False)
    )
    clock = changes.pop("clock", None)
    arguments = {
        "detector": detector or WindowDetector(window=1000, rise=1.0, fall=-1.0),
        "budget": Budget(
            Levels(1.0, 3.0), step=0.1, base_iterations=base, most_iterations=1000,
            share_back=(0.25, 0.75), learning_rates=(1e-4, 2e-4), mix_ratios=(0.5, 0.25),
            rate_policy="constant", start_training=start,
        ),
        "selector": selector or RewardSelector(tuple(modules), speeds=None),
        "measure": False,
        **changes,
    }  # fmt: skip
    controller = AfterChange(tuple(modules), **arguments)
    parts = Composition(
        training, controller, modules, None if memory is None else memory(roles, training)
    )
    return AdaptiveModel(roles, parts, signal=signal, clock=clock)


def play(method: AdaptiveModel, frames) -> list:
    rows = []
    for image in frames:
        method.predict(image)
        rows.append(method.learn())
    return rows


def snapshot(method: AdaptiveModel) -> dict[str, torch.Tensor]:
    return {n: t.clone() for n, t in method.roles.network.state_dict().items()}


def moved(method: AdaptiveModel, before: dict[str, torch.Tensor]) -> set[str]:
    after = method.roles.network.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


class Alternating:
    """A selector that follows a list."""

    def __init__(self, order: list[int]):
        self._order = iter(order)

    def choose(self) -> int:
        return next(self._order)

    def learn(self, loss: float, chosen: int) -> None:
        pass

    def set_speeds(self, speeds) -> None:
        pass

    def histogram(self) -> dict[int, float]:
        return {}

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass
