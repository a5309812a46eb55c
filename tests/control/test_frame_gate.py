"""Frames that are not worth learning from, and those that are."""

from __future__ import annotations

import numpy as np
import pytest

from driftseg.control.frame_gate import CONTRAST, FrameGate, Limits
from driftseg.town.scenes import TownScenes
from driftseg.weather import fog, night, rain
from hostile_frames import KINDS, spoilt

SIZE = (256, 192)


@pytest.fixture(scope="module")
def scenes():
    town = TownScenes(seed=3, frames=12, every=19, size=SIZE)
    return [town.scene(index) for index in range(len(town))]


def gates(scenes) -> dict[str, FrameGate]:
    images = [scene.image for scene in scenes[:8]]
    stream = FrameGate()
    assert [stream.see(image) for image in images] == [None] * 8
    return {"source": FrameGate(examples=images), "stream": stream}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("calibrated_on", ["source", "stream"])
def test_every_kind_of_bad_frame_is_refused(kind: str, calibrated_on: str, scenes) -> None:
    gate = gates(scenes)[calibrated_on]
    assert gate.calibrated_on == calibrated_on
    if kind == "frozen":
        told = [gate.see(scenes[9].image) for _ in range(8)]
        assert told == [None] * 6 + ["frozen"] * 2
        assert gate.see(scenes[10].image) is None
        return
    for number, scene in enumerate(scenes[8:]):
        assert gate.see(spoilt(kind, scene.image, number)) == kind


@pytest.mark.parametrize("calibrated_on", ["source", "stream"])
@pytest.mark.parametrize("weather", ["rain", "night", "fog", "wet night", "none", "noisy", "dark"])
def test_weather_is_learnt_from(weather: str, calibrated_on: str, scenes) -> None:
    gate = gates(scenes)[calibrated_on]
    for scene in scenes[8:]:
        image = scene.image
        if "night" in weather:
            image = night(image, scene.depth, 1.0, camera="town")
        if weather in ("rain", "wet night"):
            image = rain(image, scene.depth, 200.0, camera="town")
        if weather == "fog":
            image = fog(image, scene.depth, 50.0, camera="town")
        if weather == "noisy":
            drawn = np.random.default_rng(0).normal(0, 8, image.shape)
            image = (image + drawn).clip(0, 255).astype(np.uint8)
        if weather == "dark":
            image = image // 3
        assert gate.see(image) is None


def test_before_calibration_the_worst_is_refused_and_not_calibrated_on(scenes) -> None:
    gate = FrameGate()
    for kind in ("black", "noise", "blur"):
        assert gate.see(spoilt(kind, scenes[0].image)) == kind
    for scene in scenes[:7]:
        assert gate.see(scene.image) is None
    assert (gate.calibrated_on, gate.limits) == ("", Limits())
    assert gate.see(scenes[7].image) is None
    assert gate.calibrated_on == "stream"
    assert gate.limits.contrast <= CONTRAST


def test_frames_of_any_size_and_of_a_camera_that_moves_a_little(scenes) -> None:
    gate = FrameGate(examples=[scene.image for scene in scenes])
    large = np.kron(scenes[0].image, np.ones((3, 3, 1), dtype=np.uint8))
    assert gate.see(large) is None
    for step in range(8):  # a slow camera is no frozen one
        assert gate.see(np.roll(scenes[1].image, step, axis=1)) is None
    assert gate.see(np.zeros((1080, 1920, 3), dtype=np.uint8)) == "black"


def test_it_goes_on_where_another_stood(scenes) -> None:
    first, second = FrameGate(), FrameGate()
    for scene in scenes[:5]:
        first.see(scene.image)
    second.load_state_dict(first.state_dict())
    rest = [*(scene.image for scene in scenes[5:]), *[scenes[-1].image] * 7]
    assert [first.see(image) for image in rest] == [second.see(image) for image in rest]
    assert first.limits == second.limits
