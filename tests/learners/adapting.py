"""Networks, frames and methods, small, for tests of test-time adaptation."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import torch

from driftseg.frame import Image
from driftseg.learners.answering import answer
from driftseg.learners.contract import Answer
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.methods.table import METHODS
from driftseg.models.adapters.settings import AdapterSettings
from driftseg.models.encoders.efficientnet import EfficientNetLite0, InvertedResidual
from driftseg.models.encoders.mit import Mit, MitSize
from driftseg.models.heads import MlpHead
from driftseg.models.network import Network
from driftseg.models.norm import BatchNorm
from driftseg.models.segmenter import Segmenter
from driftseg.models.wrapped import wrap
from driftseg.replay.replay import ReplaySettings
from driftseg.runs.adapting import Source, make_adaptive
from driftseg.town.scenes import TownScenes
from foreign_models import foreign

SIZE = (96, 64)
CLASSES = 11
NETWORKS = ("mit", "efficientnet", "plain")
TINY_MIT = MitSize((8, 16, 40, 64), (1, 1, 1, 1), 16)


def network(kind: str = "efficientnet") -> Network:
    """A copy of a network of that kind."""
    return copy.deepcopy(_network(kind))


@cache
def _network(kind: str) -> Network:
    """Random weights and statistics, sure enough of its answers for filters to let some pass."""
    if kind == "plain":
        module = foreign("plain", classes=CLASSES)
        with torch.no_grad():
            module.second.weight.mul_(12)
        return wrap(module, size=(SIZE[1], SIZE[0]))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        body = Mit(TINY_MIT) if kind == "mit" else shallow(EfficientNetLite0())
        heads = [MlpHead(body.channels[:n], width=16, classes=CLASSES) for n in (4, 1)]
        model = Segmenter(body, *heads).eval()
        with torch.no_grad():
            model.head.classifier.weight.mul_(90)
            for module in model.modules():
                if isinstance(module, BatchNorm):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.8, 1.2)
    return model


def shallow(encoder: EfficientNetLite0) -> EfficientNetLite0:
    """The first block of every kind alone."""
    for stage in encoder.stages:
        for index in reversed(range(len(stage))):
            block = stage[index]
            if isinstance(block, InvertedResidual) and block.residual:
                del stage[index]
    return encoder


@cache
def frames(count: int = 10) -> list[Image]:
    scenes = TownScenes(seed=3, frames=count, every=9, size=SIZE)
    return [scenes.scene(number).image for number in range(count)]


def make(name: str, kind: str | Network = "efficientnet", **settings) -> AdaptiveModel:
    """The method under the controller that learns from every frame."""
    made = network(kind) if isinstance(kind, str) else kind
    method = METHODS.find(name).model_validate({"name": name, **settings})
    if method.adapter_kind is not None:
        put_adapters(made, method.adapter_kind)
    source = TownScenes(seed=1, frames=4, every=20, size=SIZE) if method.needs().source else None
    return make_adaptive(
        method,
        made,
        source=None if source is None else Source(source, SIZE),
        classes=tuple(f"class{number}" for number in range(CLASSES))
        if source is None
        else source.label_space.classes,
        size=SIZE,
        replay=ReplaySettings(capacity=4, minimum_share=0.004),
    )


def put_adapters(made: Network, kind: str, **options) -> None:
    """What a config does for a method with adapters of its own; small ranks, for speed."""
    section = AdapterSettings(kind=kind, **({"high_rank": 8} | options))
    section.put_into(made, section.spec(["adapters"], method="test"), torch.Generator())


def play(model: AdaptiveModel, images: list[Image]) -> list[dict[str, float]]:
    """What every frame's answer and step say."""
    rows = []
    for image in images:
        said = model.predict(image)
        done = model.learn()
        rows.append({"confidence": said.confidence, **done.losses, "trained": float(done.trained),
                     "label": float(np.mean(said.label))})  # fmt: skip
    return rows


def seen(model: AdaptiveModel, image: Image) -> Answer:
    """The student's answer, as the model gets it, with gradients where the learner wants them."""
    return answer(model.roles, image, keep_graph=model.learner.keeps_graph)


def weights(model: AdaptiveModel) -> dict[str, torch.Tensor]:
    return {n: t.clone() for n, t in model.roles.network.module.state_dict().items()}


def moved(model: AdaptiveModel, before: dict[str, torch.Tensor]) -> set[str]:
    return {n for n, t in weights(model).items() if not torch.equal(t, before[n])}
