"""Every method, small, for tests."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import torch

from driftseg.control.after_change import AfterChange
from driftseg.control.bank import Bank
from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import WindowDetector
from driftseg.control.selection import PUBLISHED_SPEEDS, RewardSelector
from driftseg.control.when import Always, Never
from driftseg.learners.norm_statistics import NormStatistics
from driftseg.learners.parts.confidence import Thresholds
from driftseg.learners.parts.mixing import Mixing
from driftseg.learners.parts.restyle import RESTYLINGS
from driftseg.learners.replay_training import ReplayTraining
from driftseg.learners.self_training import SelfTraining
from driftseg.learners.settings import Composition, SignalSettings
from driftseg.learners.source_only import SourceOnly
from driftseg.learners.tent import Tent
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.methods.memory import Memory
from driftseg.models.adapters import adapter_spec, attach
from driftseg.models.adapters.attach import fitting_kinds
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.roles import Roles
from driftseg.models.trainable import choices, trainable_names

NAMES = (
    "source_only", "norm_statistics", "tent", "dacs", "hamlet", "replay_only", "restyled_replay",
    "lae", "bank",
)  # fmt: skip
"""What `make` knows; tests/learners has the methods of test-time adaptation."""


def make_training(model, replay, train=("encoder", "head"), seed=0, **changes) -> SelfTraining:
    distance = changes.get("feature_distance_weight", 0.0)
    roles = Roles(
        model, trainable_names(model, train), teacher=True,
        static="whole" if distance > 0 else changes.pop("static", "none"),
        norm_statistics=changes.pop("norm_statistics", "source"),
        learning=changes.pop("learning", None),
    )  # fmt: skip
    arguments = {
        "head_factor": 10.0, "weight_decay": 0.01, "teacher_momentum": 0.999,
        "confidence": Thresholds([0.5]), "ignored_rows": (0, 0),
        "mixing": Mixing(0.2, True, np.random.default_rng(seed)),
        "feature_distance_weight": 0.0, "feature_distance_classes": range(11),
        "dropout_generator": torch.Generator().manual_seed(seed), **changes,
    }  # fmt: skip
    return SelfTraining(roles, replay, **arguments)


def make_dacs(model, replay, learning_rate=1e-4, mix_ratio=0.5, **changes) -> AdaptiveModel:
    memory, detector = changes.pop("memory", None), changes.pop("detector", None)
    training = make_training(model, replay, **changes)
    return always(training, memory=memory, learning_rate=learning_rate, mix_ratio=mix_ratio,
                  detector=detector)  # fmt: skip


def always(learner, memory=None, **controller) -> AdaptiveModel:
    """Under a controller that trains on every frame, perhaps with a memory."""
    made = None if memory is None else memory(learner.roles, learner)
    parts = Composition(learner, Always(**controller), memory=made)
    return AdaptiveModel(learner.roles, parts)


def make_hamlet(model, replay, make_selector=None, **changes) -> AdaptiveModel:
    """It trains from the first frame, on what is chosen, and may find changes after two."""
    training = make_training(model, replay, static="early", learning=(), **changes)
    modules = choices(model, training.roles.trainable, fusion=True)
    if make_selector is None:
        make_selector = partial(RewardSelector, speeds=PUBLISHED_SPEEDS)
    controller = AfterChange(
        tuple(modules),
        detector=WindowDetector(window=1, rise=0.02, fall=-0.02),
        budget=Budget(
            Levels(1.0, 3.0), step=0.1, base_iterations=3, most_iterations=20,
            share_back=(0.25, 0.75), learning_rates=(1e-4, 2e-4), mix_ratios=(0.5, 0.25),
            start_training=True,
        ),
        selector=make_selector(tuple(modules)),
    )  # fmt: skip
    parts = Composition(training, controller, modules)
    return AdaptiveModel(training.roles, parts, signal=SignalSettings(1), clock=ticking())


def ticking():
    """A clock that goes on by a hundredth of a second whenever it is read."""
    return itertools.count(0, 0.01).__next__


def make_tent(model, **changes) -> AdaptiveModel:
    roles = Roles(model, trainable_names(model, ["norms"]), **changes)
    return always(Tent(roles, learning_rate=1e-3))


def make_restyled_replay(model, replay, train=("encoder", "head"), **changes) -> AdaptiveModel:
    roles = Roles(
        model, trainable_names(model, train), teacher=changes.pop("teacher", False),
        norm_statistics=changes.pop("norm_statistics", "source"),
    )  # fmt: skip
    arguments = {
        "restyle": RESTYLINGS["histogram"], "references": 3, "learning_rate": 1e-4,
        "head_factor": 10.0, "weight_decay": 0.01, "jitter": 0.05,
        "generator": np.random.default_rng(0),
        "dropout_generator": torch.Generator().manual_seed(0), **changes,
    }  # fmt: skip
    return always(ReplayTraining(roles, replay, **arguments))


def make_norm_statistics(model) -> AdaptiveModel:
    roles = Roles(model, trainable_names(model, ["norms"]), norm_statistics="running")
    return always(NormStatistics(roles))


def make_memory(
    model, replay, *, averages=True, stores=True, horizon=3, **changes
) -> AdaptiveModel:
    """Adapters and head by restyled replay; every frame that differs a little is a change."""
    if model.adapters is None:
        tokens = "adaptformer per block" in fitting_kinds(model.encoder)
        kind = "adaptformer" if tokens else "convolution"
        attach(model, adapter_spec(kind), torch.Generator().manual_seed(1))
    names = trainable_names(model, ["adapters", "head"])
    roles = Roles(model, names, static="early", offline=adapter_names(model) if averages else ())
    learner = ReplayTraining(
        roles, replay, restyle=RESTYLINGS["histogram"], references=3, learning_rate=1e-3,
        head_factor=1.0, weight_decay=0.01, jitter=0.05, generator=np.random.default_rng(0),
        dropout_generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    detector = changes.pop("detector", WindowDetector(window=1, rise=0.005, fall=-0.005))
    arguments = {
        "offline_momentum": 1 - 1 / horizon if averages else None,
        "bank": Bank(domains=2, recent=1, nearer=0.9) if stores else None, **changes,
    }  # fmt: skip
    parts = Composition(
        learner, Always(detector=detector), memory=Memory(roles, learner, **arguments)
    )
    return AdaptiveModel(roles, parts, signal=SignalSettings(1))


def make(name: str, make_model, make_replay, encoder: str = "tiny_mit") -> AdaptiveModel:
    if name == "source_only":
        roles = Roles(make_model(encoder), [])
        return AdaptiveModel(roles, Composition(SourceOnly(roles), Never()))
    if name == "tent":
        return make_tent(make_model(encoder))
    if name == "norm_statistics":
        return make_norm_statistics(make_model(encoder))
    if name in ("lae", "bank"):
        lae = {"averages": name == "lae", "stores": name == "bank"}
        return make_memory(make_model(encoder), make_replay(), **lae)
    if name == "hamlet":
        return make_hamlet(make_model(encoder), make_replay())
    if name in ("restyled_replay", "replay_only"):
        changes = {"restyle": None} if name == "replay_only" else {}
        return make_restyled_replay(make_model(encoder), make_replay(), **changes)
    return make_dacs(make_model(encoder), make_replay(), feature_distance_weight=0.005)


def play(method, frames) -> list[dict[str, float]]:
    rows = []
    for image in frames:
        prediction = method.predict(image)
        adaptation = method.learn()
        row = {"confidence": prediction.confidence, "entropy": prediction.entropy,
               **adaptation.losses}  # fmt: skip
        if adaptation.signal is not None:
            row |= {"signal": adaptation.signal, "event": float(adaptation.event is not None)}
        if adaptation.plan is not None:
            row["module"] = float(adaptation.plan["module"] or 0)
        if adaptation.bank is not None:
            row |= {"found": float(adaptation.bank["found"] is not None),
                    "domains": float(adaptation.bank["domains"])}  # fmt: skip
        rows.append(row)
    return rows
