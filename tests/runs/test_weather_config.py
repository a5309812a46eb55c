"""The camera, the conditions of a visit, and training on weather, as a user sets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.replay.replay import build_replay
from driftseg.replay.sampling import SamplingSettings
from driftseg.replay.transforms import AugmentationSettings
from driftseg.stream.schedule import make_schedule
from driftseg.town.scenes import TownSettings
from driftseg.town.town import Town
from driftseg.weather.camera import CAMERAS, CameraSettings, camera_of
from driftseg.weather.conditions import Conditions
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import render

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
        (
            "camera={preset: camvid, exposure: 0}",
            r"camera\.exposure: expected a number greater "
            "than 0, got 0",
        ),
        ("camera={exposures: 3}", "exposure"),
        (
            "camera={exposure: 5000000}",
            r"camera\.exposure: expected a number less than or "
            "equal to 100, got 5000000",
        ),
        (
            "camera={focus: 0.006}",
            r"camera\.focus: expected a number greater than or equal to "
            r"0\.2, got 0\.006",
        ),
        ("schedule=[{name: a, lens_drops: 0.7}]", r"lens_drops.*less than or equal to 0.5"),
        ("schedule=[{name: a, night: 2}]", r"night.*less than or equal to 1"),
    ],
)
def test_what_cannot_be(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        storm(change)


BOUNDS = {
    "focal_length": [100], "pixel_pitch": [0.5, 50], "sensor_width": [10_000],
    "f_number": [0.5, 100], "exposure": [100], "gain": [1000], "focus": [0.2, 10_000],
    "height": [100], "speed": [60], "horizon": [0, 1],
}  # fmt: skip
"""Of the camera's settings, as far as they say where they end."""


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BOUNDS.items() for value in values]
)
def test_what_a_camera_may_be_can_be_rendered(name: str, value: float) -> None:
    camera = camera_of(check({name: value}, CameraSettings, where="test"))
    scene = Town(seed=1, size=(96, 72)).render(130)
    geometry = geometry_of(scene, camera, Town.label_space)
    weather = Conditions(rain=200, snow=5, visibility=100, snow_cover=0.5, wet_road=1, night=1)
    seen = render(scene.image, geometry, weather, np.random.default_rng(0), camera=camera)
    assert seen.shape == scene.image.shape


def test_every_setting_of_a_camera_is_bounded() -> None:
    assert {*BOUNDS} == {*CameraSettings.model_fields} - {"preset"}
    for name, values in BOUNDS.items():
        with pytest.raises(
            InputError, match=rf"{name}: .*a number less than or equal to {max(values)}, got "
        ):
            check({name: max(values) + 1}, CameraSettings, where="test")


def test_a_visit_states_its_conditions() -> None:
    told = storm("schedule=[{name: day}, {name: wet_night, rain: 50, wet_road: 1, night: 1}]")
    visits = make_schedule(told.schedule)
    assert visits[0].conditions.clear
    assert visits[1].conditions == Conditions(rain=50, wet_road=1, night=1)
    assert str(visits[1].conditions) == "rain 50 mm/h and night 1 and wet road 1"


def augmentation(**weather: object) -> AugmentationSettings:
    values = {"flip": 0.0, "photometric": False, "weather": weather or None}
    return check(values, AugmentationSettings, where="test")


def test_training_images_are_put_into_weather_and_labels_are_not() -> None:
    dataset = TownSettings(kind="town", frames=4, size=(64, 48)).make()
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
    with pytest.raises(
        InputError,
        match=r"test: weather\.severity: expected the smaller "
        r"number first, got \[2\.0, 1\.0\]",
    ):
        augmentation(kinds=["rain"], severity=[2, 1])
