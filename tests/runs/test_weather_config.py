"""The camera, the conditions of a visit, and training on weather, as a user sets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftseg.data.weather.camera import CAMERAS
from driftseg.data.weather.conditions import Conditions
from driftseg.errors import InputError
from driftseg.runs.builder import build_schedule
from driftseg.runs.config import AugmentationSettings, RunConfig, SamplingSettings
from driftseg.runs.data_config import TownData
from driftseg.runs.datasets import build_dataset, build_replay
from driftseg.runs.reading import check, read_config
from driftseg.runs.weather_config import camera_of

EXAMPLES = Path(__file__).parents[2] / "examples"


def storm(*changes: str) -> RunConfig:
    return read_config(EXAMPLES / "town_storm.yaml", RunConfig, changes=changes)


def test_a_preset_and_what_is_different_about_yours() -> None:
    assert camera_of(storm("camera=camvid").camera) == CAMERAS["camvid"]
    own = camera_of(storm("camera={preset: camvid, exposure: 12, speed: 0}").camera)
    assert (own.exposure, own.speed) == (12, 0)
    assert own.focal_length == CAMERAS["camvid"].focal_length


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("camera=kitti", "camera"),
        ("camera={preset: camvid, exposure: 0}", r"camera.*greater than 0 \(came 0\)"),
        ("camera={exposures: 3}", "exposure"),
        ("schedule=[{name: a, lens_drops: 0.7}]", r"lens_drops.*less than or equal to 0.5"),
        ("schedule=[{name: a, night: 2}]", r"night.*less than or equal to 1"),
    ],
)
def test_what_cannot_be(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        storm(change)


def test_a_visit_states_its_conditions() -> None:
    told = storm("schedule=[{name: day}, {name: wet_night, rain: 50, wet_road: 1, night: 1}]")
    visits = build_schedule(told)
    assert visits[0].conditions.clear
    assert visits[1].conditions == Conditions(rain=50, wet_road=1, night=1)
    assert str(visits[1].conditions) == "rain 50 mm/h and night 1 and wet road 1"


def augmentation(**weather: object) -> AugmentationSettings:
    values = {"flip": 0.0, "photometric": False, "weather": weather or None}
    return check(values, AugmentationSettings, where="test")


def test_training_images_are_put_into_weather_and_labels_are_not() -> None:
    dataset = build_dataset(TownData(kind="town", frames=4, size=(64, 48)))
    batches = {}
    for name, section in (
        ("clear", augmentation()),
        ("night", augmentation(kinds=["night"], chance=1.0, camera={"preset": "town"})),
    ):
        replay = build_replay(
            dataset, SamplingSettings(batch_size=16, rare_classes=False), section,
            size=(64, 48), capacity=4, generator=np.random.default_rng(0),
        )  # fmt: skip
        batches[name] = replay.sample()
    assert batches["night"].images.mean() < 0.8 * batches["clear"].images.mean()
    known = {label.numpy().tobytes() for label in batches["clear"].labels}
    assert {label.numpy().tobytes() for label in batches["night"].labels} == known


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(InputError, match=r"weather.kinds"):
        augmentation(kinds=["hail"])
    with pytest.raises(InputError, match=r"wanted the smaller number first"):
        augmentation(kinds=["rain"], severity=[2, 1])
