"""Night: dark, lit from the car, with the lamps still on; and all kinds of weather together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from driftseg.errors import InputError
from driftseg.frame import Scene
from driftseg.town.town import Town
from driftseg.weather.camera import TOWN
from driftseg.weather.conditions import Conditions
from driftseg.weather.depth import road_plane_depth
from driftseg.weather.fog import fog
from driftseg.weather.geometry import Geometry, geometry_of
from driftseg.weather.lamps import light_sources
from driftseg.weather.light import light_of
from driftseg.weather.night import illumination, night
from driftseg.weather.rain import rain
from driftseg.weather.random_weather import RANGES, RandomWeather
from driftseg.weather.render import render

EVERYTHING = Conditions(
    rain=50, visibility=300, night=0.5, snow=1, snow_cover=0.3, wet_road=0.6, lens_drops=0.1
)


@pytest.fixture(scope="module")
def scene():
    return Town(seed=1, size=(160, 120)).render(130)


@pytest.fixture(scope="module")
def geometry(scene) -> Geometry:
    return geometry_of(scene, TOWN, Town.label_space)


def test_the_day_is_the_identity(scene, geometry) -> None:
    day = night(scene.image, geometry, 0.0, np.random.default_rng(0), camera=TOWN)
    assert np.array_equal(day, scene.image)
    assert day is not scene.image


def test_later_is_darker(scene, geometry) -> None:
    means = [
        night(scene.image, geometry, s, np.random.default_rng(0), camera=TOWN).mean()
        for s in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert means == sorted(means, reverse=True)
    assert means[-1] < 0.5 * means[0]


def test_the_road_ahead_is_lit_and_the_sky_is_darkest(scene, geometry) -> None:
    sky = geometry.sky.astype(np.float32)
    lit = illumination(geometry, sky, TOWN).mean(axis=2)
    middle = np.zeros_like(geometry.ground)
    middle[:, 60:100] = True
    near, far = (
        lit[geometry.ground & middle & span].mean()
        for span in (scene.depth < 6, (scene.depth > 25) & (scene.depth < 60))
    )
    assert near > 2 * far > 4 * lit[geometry.sky].mean()


def test_lamps_stay_as_bright_as_they_are_and_glow() -> None:
    image = np.full((120, 160, 3), 90, np.uint8)
    image[30:33, 40:43] = (250, 30, 20)  # a traffic light above the horizon
    image[30:33, 120:123] = 250  # white there is no lamp
    image[70:73, 80:83] = 250  # headlights, on what a label calls a car
    image[70:73, 100:103] = 250  # the same, on a wall
    image[90:93, 20:23] = (30, 250, 40)  # green, but on nothing that carries lamps
    none = np.zeros((120, 160), bool)
    car = none.copy()
    car[60:80, 75:90] = True
    depth = np.full((120, 160), 40, np.float32)
    geometry = Geometry(depth, none, none, lamps=car)
    shining = light_sources(image, geometry)
    assert shining[31, 41] == 1
    assert shining[31, 121] == shining[71, 101] == shining[91, 21] == 0
    assert shining[71, 81] == 1
    assert (shining > 0).sum() == 18
    assert light_sources(image, Geometry(depth, none, none))[71, 81] == 0
    dark = night(image, geometry, 1.0, np.random.default_rng(0), camera=TOWN).astype(int)
    assert dark[31, 41, 0] > 240
    assert dark[71, 81].min() > 240
    assert dark[31, 121].max() < 130
    assert dark[31, 45, 0] > dark[31, 80, 0] + 10


def test_neither_markings_nor_the_edge_of_the_sky_shine() -> None:
    """What is small and bright, but lies on the ground or beside the sky, is no lamp."""
    image = np.full((120, 160, 3), 60, np.uint8)
    places = {"marking": (80, 40), "headlight": (80, 120), "edge": (19, 40), "lamp": (45, 120)}
    for row, column in places.values():
        image[row : row + 3, column : column + 3] = (250, 30, 20)
    sky = np.zeros((120, 160), np.float32)
    sky[:19] = 1
    ground = np.zeros((120, 160), bool)
    ground[60:, :80] = True
    geometry = Geometry(np.full((120, 160), 40, np.float32), ground, sky > 0)
    shining = light_sources(image, geometry)
    seen = {name: shining[row + 1, column + 1] for name, (row, column) in places.items()}
    assert seen == {"marking": 0, "headlight": 1, "edge": 0, "lamp": 1}


def test_the_sky_is_guessed_where_nothing_tells() -> None:
    image = np.full((120, 160, 3), 60, np.uint8)
    image[:40] = 220
    depth = road_plane_depth(120, 160, camera=TOWN)
    dark = night(image, Geometry(depth), 1.0, np.random.default_rng(0), camera=TOWN)
    assert dark[5:35].mean() < 60


@pytest.mark.parametrize("field", [*RANGES])
def test_pure_reproducible_and_not_the_identity(scene, geometry, field: str) -> None:
    conditions = Conditions(**{field: RANGES[field][1] if field != "visibility" else 80.0})
    before = scene.image.copy(), geometry.depth.copy()
    first, again = (
        render(scene.image, geometry, conditions, np.random.default_rng(3), camera=TOWN)
        for _ in range(2)
    )
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - scene.image).mean() > 1
    assert np.array_equal(scene.image, before[0])
    assert np.array_equal(geometry.depth, before[1])
    assert not conditions.clear


def test_all_at_once_and_nothing_at_all(scene, geometry) -> None:
    seen = render(scene.image, geometry, EVERYTHING, np.random.default_rng(0), camera=TOWN)
    assert seen.shape == scene.image.shape
    assert seen.std() > 5
    calm = render(scene.image, geometry, Conditions(), np.random.default_rng(0), camera=TOWN)
    assert np.array_equal(calm, scene.image)


@pytest.mark.parametrize("severity", [0.5, 1.0, 2.0])
def test_rain_falls_before_the_fog_it_is_seen_against(scene, geometry, severity: float) -> None:
    """No deeper than the fog lets one see, which is less the severer it is."""
    conditions = Conditions(rain=50, visibility=100, wet_road=0, clouds=0)
    both = render(scene.image, geometry, conditions, np.random.default_rng(0),
                  camera=TOWN, severity=severity)  # fmt: skip
    sky = light_of(np.asarray(scene.image / np.float32(255), np.float32), geometry).sky
    foggy = fog(scene.image, geometry.depth, 100, camera=TOWN, severity=severity,
                airlight=tuple(map(float, sky)))  # fmt: skip
    near = np.minimum(geometry.depth, np.float32(100 / (severity * -math.log(0.05))))
    wet = rain(foggy, near, 50, np.random.default_rng(0), camera=TOWN, severity=severity,
               surroundings=sky)  # fmt: skip
    assert np.array_equal(both, wet)


def test_conditions_in_words() -> None:
    assert str(EVERYTHING) == (
        "rain 50 mm/h and fog 300 m and snow 1 mm/h and night 0.5 and snow cover 0.3 and "
        "wet road 0.6 and lens drops 0.1"
    )
    assert Conditions().clear
    assert Conditions(visibility=math.inf).clear
    assert Conditions(night=1).strength == 10


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rain", -1.0, r"rain: expected a finite number of 0 or more, got -1\.0\. To fix"),
        ("snow", math.nan, r"snow: expected a finite number of 0 or more, got nan\. To fix"),
        ("night", 1.5, r"night: expected a number from 0 to 1, got 1\.5\. To fix"),
        ("lens_drops", 0.6, r"lens_drops: expected a number from 0 to 0\.5, got 0\.6\. To fix"),
        ("visibility", 0.0, r"visibility: expected metres above 0, got 0\.0\. To fix"),
    ],
)
def test_impossible_conditions(field: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Conditions(**{field: value})


def test_a_measured_depth_tells_what_is_ground(scene) -> None:
    bare = geometry_of(Scene("x", scene.image, depth=scene.depth), TOWN, Town.label_space)
    truth = geometry_of(scene, TOWN, Town.label_space)
    assert np.array_equal(bare.sky, truth.sky)
    near = scene.depth < 15
    assert (bare.ground == truth.ground)[near & truth.ground].mean() > 0.9
    assert bare.source == "exact depth"
    said = geometry_of(Scene("x", scene.image, depth=scene.depth, depth_source="disparity"),
                       TOWN, Town.label_space)  # fmt: skip
    assert said.source == "disparity"


def test_a_guessed_depth_follows_the_picture() -> None:
    """Sky between branches is infinitely far, and a wall as bright as the sky is not."""
    sky, tree, road = (Town.label_space.classes.index(c) for c in ("sky", "tree", "road"))
    label = np.full((120, 160), road, np.uint8)
    label[:60] = sky
    label[10:70, 40:120] = tree
    image = np.full((120, 160, 3), 230, np.uint8)
    image[label == tree] = 40
    image[label == road] = 90
    image[20:50, 41:45:2] = 230  # sky between branches
    label[10:70, 130:150] = Town.label_space.classes.index("building")
    rough = road_plane_depth(120, 160, camera=TOWN, label=label, label_space=Town.label_space)
    fine = geometry_of(Scene("x", image, label), TOWN, Town.label_space).depth
    gaps = (label == tree) & (image[..., 0] == 230)
    assert gaps.any()
    assert np.array_equal(np.isinf(fine), (label == sky) | gaps)
    assert np.allclose(fine[22:48, 60:100], rough[22:48, 60:100], rtol=0.01)


class TestRandomWeather:
    def test_labels_stay_and_kinds_are_those_asked(self, scene) -> None:
        weather = RandomWeather(("night",), Town.label_space, chance=1.0, camera=TOWN)
        generator = np.random.default_rng(0)
        for _ in range(5):
            assert weather(scene.image, scene.label, generator).mean() < scene.image.mean() - 5

    def test_chance(self, scene) -> None:
        weather = RandomWeather(("visibility",), Town.label_space, chance=0.5, camera=TOWN)
        generator = np.random.default_rng(0)
        same = [weather(scene.image, scene.label, generator) is scene.image for _ in range(60)]
        assert 18 < sum(same) < 42

    def test_reproducible(self, scene) -> None:
        weather = RandomWeather(tuple(RANGES), Town.label_space, chance=1.0, severity=(0.5, 2.0))
        runs = [
            [weather(scene.image, scene.label, generator) for _ in range(4)]
            for generator in (np.random.default_rng(5), np.random.default_rng(5))
        ]
        assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))
        assert not np.array_equal(runs[0][0], runs[0][1])

    def test_unknown_kind(self) -> None:
        message = "weather kinds: expected one or more of rain, .*, got hail. To fix: name only"
        with pytest.raises(InputError, match=message):
            RandomWeather(("hail",), Town.label_space)
