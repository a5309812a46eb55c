"""The scene's own light: its white and its sky, clouds, and what follows from the rain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.errors import InputError
from driftseg.town.town import Town
from driftseg.weather.camera import CITYSCAPES, TOWN
from driftseg.weather.conditions import Conditions
from driftseg.weather.depth import street_depth
from driftseg.weather.geometry import Geometry, geometry_of, guessed_sky
from driftseg.weather.light import light_of, overcast
from driftseg.weather.render import render


@pytest.fixture(scope="module")
def scene():
    return Town(seed=1, size=(320, 240)).render(130)


@pytest.fixture(scope="module")
def geometry(scene) -> Geometry:
    return geometry_of(scene, TOWN, Town.label_space)


def values(image: np.ndarray) -> np.ndarray:
    return np.asarray(image / np.float32(255), np.float32)


def seen(scene, conditions: Conditions, geometry: Geometry) -> np.ndarray:
    return render(scene.image, geometry, conditions, np.random.default_rng(0), camera=TOWN)


@settings(deadline=None, max_examples=20)
@given(cast=st.tuples(*[st.floats(0.6, 1.0)] * 3), level=st.floats(0.3, 1.0))
def test_white_has_the_cast_and_the_exposure_of_the_image(cast, level) -> None:
    """A tint of the whole picture tints white the same way, and a dark picture darkens it."""
    scene = Town(seed=1, size=(160, 120)).render(130)
    geometry = geometry_of(scene, TOWN, Town.label_space)
    plain = light_of(values(scene.image), geometry)
    tint = np.array(cast, np.float32) / max(cast)
    tinted = light_of(values(scene.image) * tint * np.float32(level), geometry)
    assert np.all(tinted.white <= plain.white + 0.02)
    order = np.argsort(tint)
    if tint[order[1]] - tint[order[0]] > 0.2:
        assert tinted.white[order[0]] < tinted.white[order[1]]


def test_snow_on_a_green_image_is_green_and_not_lavender(scene, geometry) -> None:
    green = (scene.image * np.array([0.7, 0.85, 0.68])).astype(np.uint8)
    snow = render(green, geometry, Conditions(snow=1, snow_cover=1), np.random.default_rng(0),
                  camera=TOWN)  # fmt: skip
    lying = snow[geometry.ground].mean(axis=0)
    assert lying[1] > lying[0] + 5
    assert lying[1] > lying[2] + 5


def test_one_warm_wall_is_no_cast(scene, geometry) -> None:
    """A road that is blue in the shade, under a warm wall: the light stays white."""
    image = np.full((60, 80, 3), (80, 90, 105), np.uint8)
    image[:30] = (180, 130, 70)
    ground = np.zeros((60, 80), bool)
    ground[30:] = True
    light = light_of(
        values(image), Geometry(np.full((60, 80), 20, np.float32), ground, ~ground & 0)
    )
    assert np.ptp(light.white) < 0.01


def test_clouds_take_shadows_and_colour(scene, geometry) -> None:
    """A shadow on a road keeps less than two thirds of its contrast, a red wall of its colour."""
    image = np.full((120, 160, 3), 150, np.uint8)
    image[60:, :80] = 50  # the shadow
    image[20:40, 100:140] = (200, 60, 60)
    plain = Geometry(np.full((120, 160), 30, np.float32), sky=np.zeros((120, 160), bool))
    grey = overcast(image, plain, 1.0, light=light_of(values(image), plain)).astype(float)
    contrast = [np.log(x[100, 130].mean() / x[100, 30].mean()) for x in (image, grey)]
    assert 0.2 * contrast[0] < contrast[1] < 0.67 * contrast[0]
    colour = [float(np.ptp(x[30, 120])) / x[30, 120].max() for x in (image, grey)]
    assert colour[1] < 0.67 * colour[0]


def test_the_sky_becomes_even(scene, geometry) -> None:
    sky = geometry.sky
    for conditions in (Conditions(clouds=1), Conditions(rain=25), Conditions(rain=200)):
        after = seen(scene, conditions, geometry)[sky].astype(float)
        assert np.ptp(after.mean(axis=0)) < 12  # grey
        assert after.mean() > seen(scene, conditions, geometry)[geometry.ground].mean()
    assert seen(scene, Conditions(clouds=1), geometry)[sky].std() < 8


def test_the_sky_is_no_darker_between_things_than_beside_them(scene, geometry) -> None:
    """At 200 mm/h there is no dark blob that is lighter around roofs."""
    after = seen(scene, Conditions(rain=200), geometry).mean(axis=2)
    sky = geometry.sky
    inner = np.zeros_like(sky)
    inner[5:-5, 5:-5] = np.lib.stride_tricks.sliding_window_view(sky, (11, 11)).all(axis=(2, 3))
    edge = sky & ~inner
    assert abs(np.median(after[inner]) - np.median(after[edge])) < 12


def test_rain_wets_the_road_unless_it_is_told_not_to(scene, geometry) -> None:
    ground = geometry.ground
    assert Conditions(rain=25).wetness == Conditions(rain=200).wetness == 0.8
    assert Conditions(rain=5).wetness == pytest.approx(0.16)
    assert Conditions(rain=100, wet_road=0).wetness == 0
    dry = seen(scene, Conditions(rain=25, wet_road=0, clouds=0), geometry)
    wet = seen(scene, Conditions(rain=25, clouds=0), geometry)
    assert np.abs(dry[ground].astype(int) - wet[ground]).mean() > 3
    bare = replace(geometry, ground=None)
    assert seen(scene, Conditions(rain=25), bare).shape == scene.image.shape
    with pytest.raises(
        InputError, match=r"wet_road: expected labels or measured depth .*, got none"
    ):
        seen(scene, Conditions(rain=25, wet_road=1), bare)


@pytest.mark.parametrize(
    ("conditions", "amount"),
    [
        (Conditions(), 0), (Conditions(rain=25), 1), (Conditions(rain=10), 0.4),
        (Conditions(rain=100, clouds=0.3), 0.3), (Conditions(night=1), 1), (Conditions(snow=1), 1),
        (Conditions(visibility=3000), pytest.approx(0.125, abs=0.001)),
        (Conditions(lens_drops=0.2), 0), (Conditions(clouds=0.5), 0.5),
    ],
)  # fmt: skip
def test_how_much_sun_is_gone(conditions: Conditions, amount: float) -> None:
    assert conditions.overcast == amount


def test_conditions_say_what_is_unusual() -> None:
    assert str(Conditions(rain=50, wet_road=0, clouds=0)) == "rain 50 mm/h and dry road and sun"
    assert str(Conditions(clouds=0.5)) == "clouds 0.5"
    assert not Conditions(clouds=0.5).clear
    with pytest.raises(InputError, match=r"clouds: expected a number from 0 to 1, got 1\.5"):
        Conditions(clouds=1.5)


def test_a_street_of_which_nothing_is_known_has_no_steps() -> None:
    depth = street_depth(240, 320, camera=CITYSCAPES)
    inverse = 1 / depth
    for axis in (0, 1):
        assert np.abs(np.diff(inverse, axis=axis)).max() < 0.03 * inverse.max()
    horizon = round(0.417 * 240)
    assert (depth[:horizon, 0] < 30).all()
    assert depth[horizon - 5, 160] == 200


def test_fog_without_labels_has_no_edge_at_the_horizon(scene) -> None:
    bare = replace(scene, label=None, depth=None, depth_source=None)
    geometry = geometry_of(bare, TOWN, Town.label_space)
    after = seen(scene, Conditions(visibility=100), geometry).mean(axis=2)
    horizon = round(TOWN.horizon * 240)
    rows = np.abs(np.diff(after[horizon - 20 : horizon + 20], axis=0))[:, :60].mean(axis=1)
    assert rows[18:22].mean() < 2.5 * np.median(rows)


def test_the_sky_is_guessed_from_the_picture(scene, geometry) -> None:
    guess = guessed_sky(values(scene.image), TOWN)
    assert guess[geometry.sky].mean() > 0.9
    assert guess[~geometry.sky].mean() < 0.05


def test_snow_lies_on_cars_and_roofs(scene, geometry) -> None:
    """The upper edge of things gets white, their sides do not."""
    car = Town.label_space.classes.index("car")
    cover = seen(scene, Conditions(snow_cover=1), geometry).astype(int)
    grey = seen(scene, Conditions(clouds=1), geometry).astype(int)
    ledges, sides = [], []
    for column in range(320):
        rows = np.flatnonzero(scene.label[:, column] == car)
        if len(rows) > 20 and scene.depth[rows[0] - 1, column] > 1.3 * scene.depth[rows[0], column]:
            change = (cover - grey)[rows, column].mean(axis=1)
            ledges.append(change[:2].mean())
            sides.append(np.abs(change[-10:]).mean())
    assert len(ledges) > 20
    assert np.mean(ledges) > 30
    assert np.median(sides) < 5
