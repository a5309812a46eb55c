"""One weather on one image, without a dataset: what the renderer makes, and clear refusals."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg import weather
from driftseg.errors import InputError
from driftseg.frame import Scene
from driftseg.labels import CAMVID11, LabelSpace
from driftseg.town.town import Town
from driftseg.weather.camera import CAMVID, CITYSCAPES, Camera
from driftseg.weather.conditions import Conditions
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import render

SCENE = Town(seed=3, size=(96, 72)).render(20)
LABELLED = {"label": SCENE.label, "label_space": "camvid11"}
NAMES = ("rain", "fog", "night", "snow", "wet_road", "lens_drops")


def rendered(conditions: Conditions, scene: Scene, seed: int = 0, camera: Camera = CITYSCAPES,
             severity: float = 1.0) -> np.ndarray:  # fmt: skip
    geometry = geometry_of(scene, camera, CAMVID11)
    generator = np.random.default_rng(seed)
    return render(scene.image, geometry, conditions, generator, camera=camera, severity=severity)


@pytest.mark.parametrize(
    ("name", "arguments", "conditions"),
    [
        ("rain", {"rate": 100}, Conditions(rain=100)),
        ("fog", {"visibility": 75}, Conditions(visibility=75)),
        ("night", {"strength": 0.5}, Conditions(night=0.5)),
        ("snow", {"rate": 2, "cover": 0.7}, Conditions(snow=2, snow_cover=0.7)),
        ("wet_road", {"wetness": 0.8}, Conditions(wet_road=0.8)),
    ],
)
@pytest.mark.parametrize("known", ["depth", "label", "both"])
def test_it_is_what_the_renderer_makes(name, arguments, conditions, known: str) -> None:
    depth = None if known == "label" else SCENE.depth
    label = None if known == "depth" else SCENE.label
    told = LABELLED if label is not None else {}
    for seed in (0, 5):
        made = getattr(weather, name)(SCENE.image, depth, **arguments, seed=seed, **told)
        wanted = rendered(conditions, Scene("", SCENE.image, label, depth), seed)
        np.testing.assert_array_equal(made, wanted)
        assert (made != SCENE.image).any()


@pytest.mark.parametrize(
    ("name", "conditions"),
    [
        ("rain", Conditions(rain=100)),
        ("fog", Conditions(visibility=150)),
        ("night", Conditions(night=1)),
        ("snow", Conditions(snow=1)),
        ("lens_drops", Conditions(lens_drops=0.1)),
    ],
)
def test_without_depth_it_is_on_the_plane_of_the_road(name: str, conditions: Conditions) -> None:
    bare = Scene("", SCENE.image)
    np.testing.assert_array_equal(getattr(weather, name)(SCENE.image), rendered(conditions, bare))


def test_camera_and_severity_are_passed_on() -> None:
    known = Scene("", SCENE.image, None, SCENE.depth)
    for camera in ("camvid", CAMVID):
        made = weather.snow(SCENE.image, SCENE.depth, 2, camera=camera, severity=0.5)
        wanted = rendered(Conditions(snow=2), known, camera=CAMVID, severity=0.5)
        np.testing.assert_array_equal(made, wanted)


def test_images_in_any_form_and_left_as_they_are(tmp_path: Path) -> None:
    before = SCENE.image.copy()
    file, ids = tmp_path / "street.png", tmp_path / "ids.png"
    Image.fromarray(SCENE.image).save(file)
    Image.fromarray(SCENE.label).save(ids)
    wanted = weather.wet_road(SCENE.image, **LABELLED)
    for image, label in (
        (str(file), str(ids)),
        (Image.open(file), Image.open(ids)),
        (np.moveaxis(SCENE.image, 2, 0), SCENE.label.astype(np.int64)),
    ):
        made = weather.wet_road(image, label=label, label_space=CAMVID11)
        np.testing.assert_array_equal(made, wanted)
    np.testing.assert_array_equal(SCENE.image, before)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("rain", {"rate": -1}, "rain: expected a finite number of 0 or more, got -1. To fix"),
        (
            "rain",
            {"severity": float("nan")},
            "severity: expected a finite number .*, got nan. To fix",
        ),
        ("rain", {"seed": -1}, "seed: expected 0 or more, got -1. To fix: give 0 or more"),
        (
            "rain",
            {"camera": "phone"},
            "camera: expected one of .*, got 'phone'. To fix: .*a Camera",
        ),
        ("rain", {"depth": SCENE.depth[1:]}, r"depth: expected .* \(72, 96\) .*got \(71, 96\)"),
        ("rain", {"depth": SCENE.depth[..., None]}, r"depth: expected .*got \(72, 96, 1\)"),
        ("rain", {"depth": -SCENE.depth}, "depth: expected metres of 0 or more, got -"),
        ("rain", {"depth": "depth.png"}, "depth: expected an array of metres .*, got str. .*None"),
        ("rain", {"depth": [["far"]]}, "depth: expected an array of metres .*got an array of"),
        ("rain", {"label": SCENE.label}, "label_space, or neither, got only label. To fix: give"),
        (
            "rain",
            {"label_space": "camvid11"},
            "or neither, got only label_space. To fix: give both",
        ),
        ("rain", LABELLED | {"label_space": "mars"}, "expected a known label space, got 'mars'"),
        ("rain", LABELLED | {"label": SCENE.label[1:]}, "label: expected a label of its image"),
        ("rain", LABELLED | {"label": SCENE.label + 90}, "label: expected label ids 0"),
        ("fog", {"visibility": 0}, "visibility: expected metres above 0, got 0. To fix"),
        ("night", {"strength": 2}, "night: expected a number from 0 to 1, got 2. To fix"),
        (
            "snow",
            {"cover": 0.5},
            "cover: expected a label or depth .*, got neither. To fix: .*cover=0",
        ),
        ("wet_road", {}, "wetness: expected a label or depth .*, got neither. To fix: .*wetness=0"),
        ("wet_road", {"wetness": 3, **LABELLED}, "wet_road: expected a number from 0 to 1, got 3"),
        (
            "wet_road",
            {"label": SCENE.label * 0, "label_space": LabelSpace("own", ("a",), ((0, 0, 0),))},
            r"wetness: expected a label space with ground classes, got own classes \(a\). To fix",
        ),
        ("lens_drops", {"share": 0.9}, r"lens_drops: expected a number from 0 to 0\.5, got 0\.9"),
    ],
)
def test_what_cannot_be_used_is_said(name: str, arguments, message: str) -> None:
    with pytest.raises(InputError, match=message):
        getattr(weather, name)(SCENE.image, **arguments)


def test_an_image_that_is_none() -> None:
    with pytest.raises(InputError, match="image: expected RGB of shape"):
        weather.fog(np.zeros((4, 4, 4, 3), np.uint8))


@pytest.mark.parametrize("name", NAMES)
def test_names_are_functions_and_modules_keep_theirs(name: str) -> None:
    module = import_module(f"driftseg.weather.{name}")
    assert inspect.ismodule(module)
    assert inspect.isfunction(getattr(weather, name))
    assert getattr(weather, name).__module__ == "driftseg.weather.alone"
