"""Calibration measures what the method will see at its start."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from driftseg.config.adapt import AdaptConfig
from driftseg.config.reading import check
from driftseg.control.calibration import ConfidenceTable
from driftseg.learners.answering import answer
from driftseg.models.segmenter import Segmenter, build_segmenter, upsample
from driftseg.runs.adapting import Source, make_adaptive
from driftseg.runs.calibrate import calibrate
from driftseg.town.scenes import TownScenes
from driftseg.weather.camera import TOWN
from driftseg.weather.weather import Weather

SIZE = (96, 64)
SCENES = TownScenes(seed=4, frames=2, every=9, size=SIZE)
SET = {"window": 1, "rise": 0.1, "fall": -0.1, "source_level": 1.0, "far_level": 2.0}
SETTINGS = {
    "hamlet": {"name": "hamlet", "costs": "none", "detector": SET},
    "dacs": {"name": "dacs"},
    "bank": {"name": "bank", "learner": {"name": "dacs"}, "detector": SET},
}


@pytest.fixture(scope="module")
def model() -> Segmenter:
    """Batch normalisation in every layer, with statistics that no frame has."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = build_segmenter("efficientnet_lite0", classes=11, head_width=16)
        with torch.no_grad():
            made.head.classifier.weight.mul_(30)
    return made


def settings(name: str, policy: str):
    values = copy.deepcopy(SETTINGS[name])
    values.get("learner", values)["norm_statistics"] = policy
    return check({"method": values}, AdaptConfig, where="test").method


def started(model: Segmenter, method):
    return make_adaptive(
        method, copy.deepcopy(model), source=Source(SCENES, SIZE), size=SIZE,
        classes=SCENES.label_space.classes,
    )  # fmt: skip


def calibrated(model: Segmenter, method, monkeypatch: pytest.MonkeyPatch):
    """Signals of the frames as they are, and the confidence of every pixel of theirs."""
    seen = []
    monkeypatch.setattr(ConfidenceTable, "add", lambda table, *given: seen.append(given[0]))
    weather = Weather(TOWN, SCENES.label_space, 0)
    found = calibrate(copy.deepcopy(model), SCENES, weather, rates=(), method=method)
    return next(iter(found.signals.values())), seen


@pytest.mark.parametrize("policy", ["source", "running", "batch", "published"])
@pytest.mark.parametrize("name", ["hamlet", "bank"])
def test_signals_are_those_of_the_first_frame(name: str, policy: str, model, monkeypatch) -> None:
    method = settings(name, policy)
    signals, _ = calibrated(model, method, monkeypatch)
    for index, signal in enumerate(signals):
        first = started(model, method)
        first.predict(SCENES.scene(index).image)
        assert first.learn().signal == pytest.approx(signal, rel=1e-5)


@pytest.mark.parametrize("policy", ["source", "running", "batch", "published"])
@pytest.mark.parametrize("name", ["hamlet", "dacs", "bank"])
def test_confidence_is_of_whoever_gives_labels(name, policy, model, monkeypatch) -> None:
    method = settings(name, policy)
    _, seen = calibrated(model, method, monkeypatch)
    for index, confidence in enumerate(seen):
        roles = started(model, method).roles
        walk = answer(roles, SCENES.scene(index).image).walk
        logits = roles.logits("teacher", roles.levels("teacher", walk))
        expected = upsample(logits, SIZE[::-1]).softmax(1)[0].amax(0)
        assert confidence == pytest.approx(expected.numpy(), rel=1e-5)


def test_the_policies_differ_here(model, monkeypatch) -> None:
    """Or nothing would be tested above."""
    found = {p: calibrated(model, settings("hamlet", p), monkeypatch)
             for p in ("source", "running", "batch", "published")}  # fmt: skip
    signals = {policy: np.round(signal, 5).tolist() for policy, (signal, _) in found.items()}
    assert signals["source"] == signals["running"] == signals["published"] != signals["batch"]
    means = {policy: float(np.mean(seen)) for policy, (_, seen) in found.items()}
    assert means["source"] == pytest.approx(means["running"])
    assert means["published"] == pytest.approx(means["batch"])
    assert means["source"] != pytest.approx(means["batch"], rel=0.01)


def test_nothing_of_the_model_changes(model, monkeypatch) -> None:
    before = copy.deepcopy(model.state_dict())
    weather = Weather(TOWN, SCENES.label_space, 0)
    calibrate(model, SCENES, weather, rates=(50.0,), method=settings("hamlet", "published"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
