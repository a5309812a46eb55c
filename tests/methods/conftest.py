"""A tiny world for methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from driftseg.models.segmenter import Segmenter
from driftseg.replay.replay import Replay
from driftseg.replay.transforms import Augmentation
from driftseg.town.scenes import TownScenes
from tiny_networks import build

SIZE = (96, 64)


@pytest.fixture(scope="session")
def frames():
    scenes = TownScenes(seed=3, frames=6, every=9, size=SIZE)
    return [scenes.scene(i).image for i in range(len(scenes))]


@pytest.fixture
def make_replay():
    scenes = TownScenes(seed=1, frames=5, every=20, size=SIZE)

    def make(seed: int = 0, **changes) -> Replay:
        arguments = {
            "augmentation": Augmentation(SIZE), "capacity": 5, "minimum_share": 0.004,
            "temperature": 0.05, "generator": np.random.default_rng(seed), **changes,
        }  # fmt: skip
        return Replay(scenes, **arguments)

    return make


@pytest.fixture
def make_model():
    def make(encoder: str = "tiny_mit") -> Segmenter:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            model = build(encoder, classes=11, head_width=16)
            with torch.no_grad():
                model.head.classifier.weight.mul_(30)
        return model

    return make
