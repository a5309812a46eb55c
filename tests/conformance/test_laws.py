"""The laws hold for everything of ours, and name what is broken in others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from driftseg.api.laws import check_dataset, check_encoder, check_method
from driftseg.conformance.dataset import DatasetLaws
from driftseg.conformance.encoder import EncoderLaws
from driftseg.conformance.method import MethodLaws
from driftseg.control.when import Always
from driftseg.frame import Scene
from driftseg.labels import CAMVID11
from driftseg.learners.settings import Composition, Needs
from driftseg.learners.tent import Tent, TentSettings
from driftseg.methods.table import METHODS
from driftseg.models.adapters import adapter_spec, attach
from driftseg.models.encoders import Encoder
from driftseg.models.norm import BatchNorm
from driftseg.scenes.dataset import DatasetSettings
from driftseg.scenes.datasets import DATASETS
from layout_trees import TREES

DETECTOR = {"window": 1, "rise": 0.001, "fall": -0.001, "source_level": 1.0, "far_level": 2.0}
SETTINGS = {
    "hamlet": {"detector": DETECTOR, "start_training": True, "costs": "none"},
    "lae": {
        "detector": DETECTOR,
        "learner": {"name": "restyled_replay", "train": ["adapters", "head"]},
    },
    "cotta": {"scales": [1.0], "flip": False},
    "vida": {"scales": [1.0]},
    "bank": {"detector": DETECTOR, "learner": {"name": "dacs"}},
    "composed": {"control": {"kind": "every", "frames": 2}, "learner": {"name": "tent"}},
}


def broken(findings) -> dict[str, str]:
    return {finding.law: finding.told for finding in findings if not finding.holds}


@pytest.mark.usefixtures("tiny_laws")
@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_the_laws(name: str) -> None:
    settings = METHODS.find(name).model_validate({"name": name, **SETTINGS.get(name, {})})

    def adapters(network) -> None:
        attach(network, adapter_spec("adaptformer"), torch.Generator().manual_seed(1))

    prepare = adapters if name == "lae" else None
    assert broken(MethodLaws(settings, prepare).check()) == {}


@pytest.mark.parametrize("name", ["mit_b0", "swin_t", "efficientnet_lite0"])
def test_every_family_of_encoders_keeps_the_laws(name: str) -> None:
    """Larger ones of a family differ in numbers alone (`test_encoder_table.py` walks them all)."""
    assert broken(check_encoder(name)) == {}


def test_town_keeps_the_laws() -> None:
    assert broken(check_dataset("town", {"frames": 3, "size": [64, 48]})) == {}


@pytest.mark.parametrize("kind", TREES)
def test_every_layout_keeps_the_laws(kind: str, tmp_path) -> None:
    TREES[kind](tmp_path)
    settings = {"root": str(tmp_path), "size": None}
    assert broken(check_dataset(kind, settings)) == {}


class Wrong(Encoder):
    channels = (8, 8, 8, 9)
    mean = (0.5, 0.5, 0.5)
    deviation = (0.5, 0.5, 0.5)

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3 if i == 0 else 8, 8, 1, stride=4 if i == 0 else 2),
                          nn.BatchNorm2d(8) if i == 2 else BatchNorm(8))
            for i in range(4)
        )  # fmt: skip
        self.unused = nn.Linear(2, 2)

    def level(self, index, x):
        return x + torch.rand(1) if index == 3 else x


def test_what_is_wrong_with_an_encoder_is_named() -> None:
    told = broken(check_encoder(f"{__name__}:Wrong"))
    assert "level 4 of 96x64 images is (2, 8, 2, 3), expected (2, 9, 2, 3)" in told.values()
    assert "in no stage: ['unused.bias', 'unused.weight']" in told.values()
    assert "it draws at random, or keeps something" in told.values()
    assert "use driftseg.models.norm.BatchNorm in place of ['stages.2.1']" in told.values()
    assert any("none reaches ['unused" in text for text in told.values())


class ForgetfulSettings(TentSettings):
    """Its moments are not saved, and a step that is not finite is made."""

    name: str

    def make(self, supplies):
        return Composition(Forgetful(supplies.roles, learning_rate=0.01), Always())


class Forgetful(Tent):
    def learn(self, answer, order):
        self.optimiser.zero_grad()
        answer.logits.square().mean().backward()
        self.optimiser.step()
        return super().learn(self._again(answer), order)

    def _again(self, answer):
        from driftseg.learners.answering import answer as again

        return again(self.roles, answer.image, keep_graph=True)

    def state_dict(self):
        return {**super().state_dict(), "optimiser": None}

    def load_state_dict(self, state):
        self.roles.load_state_dict(state["roles"])
        self.updates = state["updates"]


class GreedySettings(TentSettings):
    """It moves what it does not name, and needs a source that it does not speak of."""

    name: str

    def needs(self) -> Needs:
        return Needs(("head",))

    def make(self, supplies):
        supplies.replay(False)
        return Composition(Greedy(supplies.roles, learning_rate=0.01), Always())


class Greedy(Tent):
    def learn(self, answer, order):
        next(self.roles.network.module.parameters()).data.add_(0.01)
        return super().learn(answer, order)


@pytest.mark.usefixtures("tiny_laws")
def test_what_is_wrong_with_a_method_is_named() -> None:
    told = broken(check_method(f"{__name__}:ForgetfulSettings"))
    assert set(told) >= {
        "saved and loaded it goes on to the last bit, in plain data",
        "a step that is not finite moves nothing",
    }
    told = broken(check_method(f"{__name__}:GreedySettings"))
    assert "what says that it needs no source never reads one" in told
    moved = told["exactly the trainable set moves, and running statistics"]
    assert moved.startswith("moved and not to be: ['encoder.stages.0")


class Sloppy:
    label_space = CAMVID11

    def __init__(self) -> None:
        self._draw = np.random.default_rng(0)
        self._lock = lambda: None

    def __len__(self) -> int:
        return 2

    def name(self, index: int) -> str:
        return "same"

    def scene(self, index: int) -> Scene:
        image = self._draw.integers(0, 256, (8, 9, 3), dtype=np.uint8)
        return Scene(str(index), image, np.full((8, 9), 11, np.uint8))


class SloppySettings(DatasetSettings):
    def make(self, camera=None):
        return Sloppy()


def test_what_is_wrong_with_a_dataset_is_named() -> None:
    told = broken(DatasetLaws(SloppySettings(kind="sloppy")).check())
    assert told["no two scenes have one name, and a scene says its own"] == "named twice: ['same']"
    assert "labels have their image's size and ids of the label space, or 255" in told
    assert told["the same position gives the same scene, in any order"] == "1: the image differs"
    assert "it can be sent to another process" in told
    assert "a position that it does not have is an error" in told


def test_kinds_that_are_not_files_are_known_too() -> None:
    assert set(TREES) < set(DATASETS)
    assert EncoderLaws("mit_b0")
