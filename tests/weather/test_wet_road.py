"""Wet roads mirror what stands on them; drops on the lens turn it over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.errors import InputError
from driftseg.town.town import Town
from driftseg.weather.camera import TOWN, Camera
from driftseg.weather.geometry import Geometry, geometry_of
from driftseg.weather.lens_drops import lens_drops
from driftseg.weather.wet_road import mirror, mirrored_share, wet_road


@pytest.fixture(scope="module")
def scene():
    return Town(seed=1, size=(160, 120)).render(130)


@pytest.fixture(scope="module")
def geometry(scene) -> Geometry:
    return geometry_of(scene, TOWN, Town.label_space)


def test_the_ground_shows_as_far_above_as_it_lies_below() -> None:
    light = np.arange(10, dtype=np.float32)[:, None, None].repeat(2, 1).repeat(3, 2)
    ground = np.zeros((10, 2), bool)
    ground[6:, 0] = True  # stands on row 6
    ground[:, 1] = True  # nothing stands here
    seen = mirror(light, ground)
    assert seen[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 5, 4, 3, 2]
    assert (seen[:, 1, 0] == 0).all()


def test_water_mirrors_more_the_flatter_it_is_seen() -> None:
    """Fresnel's values for n = 1.33: 2 % straight down, 6 % at 60 degrees (Schlick: 5 %)."""
    camera = Camera(height=1.5)
    depth = np.full((1, 1), 1.5, np.float32)
    assert mirrored_share(Geometry(depth), camera)[0, 0] == pytest.approx(0.02, abs=1e-6)
    sixty = mirrored_share(Geometry(np.full((1, 1), 3.0, np.float32)), camera)[0, 0]
    assert sixty == pytest.approx(0.02 + 0.98 * 0.5**5, abs=1e-4)
    shares = [mirrored_share(Geometry(depth * far), camera)[0, 0] for far in (1, 2, 5, 10, 50)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.85


def test_a_dry_road_is_the_identity(scene, geometry) -> None:
    dry = wet_road(scene.image, geometry, 0.0, np.random.default_rng(0), camera=TOWN)
    assert np.array_equal(dry, scene.image)
    assert dry is not scene.image


def test_only_the_ground_gets_wet_and_near_ground_dark(scene, geometry) -> None:
    wet = wet_road(scene.image, geometry, 1.0, np.random.default_rng(0), camera=TOWN)
    assert np.array_equal(wet[~geometry.ground], scene.image[~geometry.ground])
    near = geometry.ground & (scene.depth < 5)
    assert wet[near].mean() < 0.85 * scene.image[near].mean()


def test_wetter_is_farther_from_dry(scene, geometry) -> None:
    change = []
    for wetness in (0.1, 0.4, 0.7, 1.0):
        wet = wet_road(scene.image, geometry, wetness, np.random.default_rng(0), camera=TOWN)
        change.append(np.abs(wet.astype(float) - scene.image).mean())
    assert change == sorted(change)


def test_a_red_wall_reddens_the_far_road() -> None:
    image = np.full((100, 100, 3), 90, np.uint8)
    image[:50] = (220, 20, 20)
    ground = np.zeros((100, 100), bool)
    ground[50:] = True
    depth = np.full((100, 100), 30, np.float32)
    wet = wet_road(image, Geometry(depth, ground), 1.0, np.random.default_rng(0), camera=TOWN)
    far = wet[52:60].reshape(-1, 3).mean(axis=0)
    assert far[0] > far[1] + 40


def test_what_is_ground_must_be_known(scene) -> None:
    with pytest.raises(
        InputError, match=r"wet_road: expected labels or measured depth .*, got none"
    ):
        wet_road(scene.image, Geometry(scene.depth), 0.5, np.random.default_rng(0))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.05, 0.2, 0.4]))
def test_drops_cover_what_was_asked(seed: int, share: float) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[::2] = 255  # what is seen through a drop is blurred to grey
    seen = lens_drops(image, share, np.random.default_rng(seed))
    changed = (np.abs(seen.astype(int) - image) > 30).all(axis=2).mean()
    assert changed == pytest.approx(share, abs=0.04 + 0.25 * share)


def test_no_drops_are_the_identity(scene) -> None:
    assert np.array_equal(lens_drops(scene.image, 0, np.random.default_rng(0)), scene.image)


class Middle:
    """Stands for chance: one drop of middle size in the middle."""

    def random(self) -> float:
        return 0.5


def test_a_drop_shows_the_scene_upside_down() -> None:
    """Light above, dark below: within a drop it is the other way round."""
    image = np.zeros((480, 640, 3), np.uint8)
    image[:240] = 255
    seen = lens_drops(image, 1e-6, Middle()).astype(int)  # type: ignore[arg-type]
    radius = round(480 * (0.012 * 0.06) ** 0.5)
    assert seen[240 - radius // 2, 320, 0] < 100
    assert seen[240 + radius // 2, 320, 0] > 130
    assert seen[100, 320, 0] == 255
