"""How weather is put on a pixel, reckoned by hand from how much of it particles cover."""

from __future__ import annotations

import math
from importlib import import_module

import numpy as np
import pytest

from driftseg.errors import InputError
from driftseg.frame import Scene
from driftseg.labels import CAMVID11
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import road_plane_depth
from driftseg.weather.draws import seed_of
from driftseg.weather.fog import fog
from driftseg.weather.geometry import Geometry, geometry_of
from driftseg.weather.lens_drops import lens_drops
from driftseg.weather.night import illumination, night
from driftseg.weather.rain import rain
from driftseg.weather.smoothing import wide_field
from driftseg.weather.snow import (
    extinction_per_kilometre,
    falling_snow,
    snow_cover,
    whiteness,
)
from driftseg.weather.streaks import Particles, _circle_of_confusion, coverage
from driftseg.weather.wet_road import wet_road

rain_module = import_module("driftseg.weather.rain")
snow_module = import_module("driftseg.weather.snow")
"""Modules, of which the package binds the names to functions."""
COVERED = 0.05
"""Of the exposure, for every pixel."""


class Covering:
    """Stands for `coverage`: covers all pixels alike and keeps what fell."""

    def __init__(self, share: float):
        self.share = share
        self.fell: list[Particles] = []

    def __call__(self, particles: Particles, depth: np.ndarray, camera, **_) -> np.ndarray:
        self.fell.append(particles)
        return np.full(depth.shape, self.share, np.float32)


def two_tone(height: int = 60, width: int = 80) -> np.ndarray:
    image = np.full((height, width, 3), 30, np.uint8)
    image[:, width // 2 :] = 90
    return image


def test_a_pixel_behind_a_streak(monkeypatch: pytest.MonkeyPatch) -> None:
    """I (1 - tau_1 / t) + S tau_1 / tau_0: 5 ms of exposure are 7.34 times tau_0 = .681 ms.

    S is .94 of the light of the scene around and .06 of the picture's mean. At arm's length
    there is no veil.
    """
    monkeypatch.setattr(rain_module, "coverage", Covering(COVERED))
    image, near = two_tone(), np.full((60, 80), 0.0, np.float32)
    light = image.astype(np.float32) / 255
    glow = 0.94 * wide_field(light) + 0.06 * light.mean(axis=(0, 1))
    wanted = light * math.exp(-COVERED) + glow * COVERED * 5e-3 / 6.81e-4
    seen = rain(image, near, 100, np.random.default_rng(0))
    assert np.abs(seen / 255 - wanted).max() < 0.5 / 255 + 1e-4


def test_severity_scales_what_streaks_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    near = np.zeros((60, 80), np.float32)
    monkeypatch.setattr(rain_module, "coverage", Covering(COVERED))
    stronger = rain(two_tone(), near, 100, np.random.default_rng(0), severity=2)
    monkeypatch.setattr(rain_module, "coverage", Covering(2 * COVERED))
    assert np.array_equal(stronger, rain(two_tone(), near, 100, np.random.default_rng(0)))


@pytest.mark.parametrize("module", [rain_module, snow_module])
def test_the_camera_drives_into_what_falls(module, monkeypatch: pytest.MonkeyPatch) -> None:
    covering = Covering(0.0)
    monkeypatch.setattr(module, "coverage", covering)
    fall = rain if module is rain_module else falling_snow
    fall(two_tone(), np.ones((60, 80), np.float32), 2, np.random.default_rng(0),
         camera=Camera(speed=12.0))  # fmt: skip
    (fell,) = covering.fell
    assert fell.velocity[:, 2].mean() == pytest.approx(-12, abs=0.2)
    assert fell.velocity[:, 1].mean() == pytest.approx(
        module.fall_speed(fell.diameter).mean(), abs=0.2
    )


def test_snow_veils_by_its_extinction(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall 100 m away: exp(-beta d) of it, and the rest as white as the light is.

    Through a lens as long as this one there are millions of flakes, and none of them is seen.
    """
    monkeypatch.setattr(snow_module, "coverage", Covering(0.0))
    flake = (np.ones(1), np.ones((1, 3)))
    monkeypatch.setattr(snow_module, "draw_particles", lambda *_: flake)
    image, wall = np.full((1, 1, 3), 40, np.uint8), np.full((1, 1), 100, np.float32)
    white = whiteness(np.full((1, 1, 3), 40 / 255, np.float32))[0] * 255
    assert white == pytest.approx(40)
    bright = np.concatenate([image, np.full((1, 399, 3), 220, np.uint8)], axis=1)
    seen = falling_snow(bright, np.repeat(wall, 400, 1), 2.5, np.random.default_rng(0),
                        camera=Camera(focal_length=1e6))  # fmt: skip
    through = math.exp(-extinction_per_kilometre(2.5) / 10)
    assert seen[0, 0, 0] == pytest.approx(40 * through + 220 * (1 - through), abs=0.51)


def test_fog_is_as_thick_as_the_ray_is_long() -> None:
    """At the side of a wide picture there is more of it than in the middle."""
    image, wall = np.zeros((1, 401, 3), np.uint8), np.full((1, 401), 60, np.float32)
    side = 60 * math.hypot(1, 200 / CITYSCAPES.focal_pixels(401))
    seen = fog(image, wall, 75)
    assert seen[0, 200, 0] == round(204 * (1 - 0.05 ** (60 / 75)))
    assert seen[0, 0, 0] == round(204 * (1 - 0.05 ** (side / 75)))
    assert seen[0, 0, 0] > seen[0, 200, 0]


def test_circle_of_confusion() -> None:
    """1 m before a lens of 6 mm at f/6 in focus at 6 m: 5.005 um, 2.275 pixels of 2.2 um."""
    assert _circle_of_confusion(np.array([1.0, 6.0]), Camera()) == pytest.approx(
        [2.275, 0], abs=1e-3
    )


def test_what_is_out_of_focus_is_blurred_half_as_much_along_its_fall() -> None:
    """Gaussians of c across and c / 2 along, with the quarter pixel that points are laid on."""
    drop = Particles(np.array([1.0]), np.array([[0.0, 0.0, 0.5]]), np.zeros((1, 3)))
    seen = coverage(drop, np.full((200, 300), np.inf, np.float32), Camera(sensor_width=300))
    rows, columns = np.indices(seen.shape)
    across = math.sqrt((seen * (columns - 149.5) ** 2).sum() / seen.sum())
    along = math.sqrt((seen * (rows - 99.5) ** 2).sum() / seen.sum())
    assert along == pytest.approx(across / 2, rel=0.05)


def test_headlights_fall_with_the_square_of_the_distance() -> None:
    """What they add to the lamps' light, below the horizon and straight ahead."""

    def added(metres: float) -> float:
        depth = np.full((100, 100), metres, np.float32)
        sky = np.zeros((100, 100), np.float32)
        lit = illumination(Geometry(depth), sky, Camera())
        return float(lit[80, 50, 0]) - 0.1

    assert added(16) / added(32) == pytest.approx(4, rel=1e-3)
    assert added(4) == pytest.approx(added(8), rel=1e-6)


def test_chance_follows_from_name_domain_and_seed() -> None:
    """And from nothing else: each of them changes it."""
    first = seed_of("a", "rain50", 0)
    assert first == seed_of("a", "rain50", 0)
    others = [seed_of("b", "rain50", 0), seed_of("a", "rain25", 0), seed_of("a", "rain50", 1)]
    assert first not in others


def test_ground_lies_within_a_sixth_of_the_road_plane() -> None:
    plane = road_plane_depth(40, 60, camera=CITYSCAPES)
    image = np.zeros((40, 60, 3), np.uint8)
    for factor, is_ground in ((1.15, True), (0.85, True), (1.2, False), (0.8, False)):
        depth = plane.copy()
        depth[:, :18] *= factor  # beside where the road is looked for
        ground = geometry_of(Scene("a", image, depth=depth), CITYSCAPES, CAMVID11).ground
        assert ground is not None
        assert ground[20:, :18].all() == ground[20:, :18].any() == is_ground
        assert ground[20:, 18:].all()
        assert not ground[:16].any()


IMAGE = np.full((8, 10, 3), 90, np.uint8)
GEOMETRY = Geometry(np.full((8, 10), 9, np.float32), np.ones((8, 10), bool))


@pytest.mark.parametrize("amount", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("name", "put"),
    [
        ("snow", lambda much, chance: falling_snow(IMAGE, GEOMETRY.depth, much, chance)),
        ("snow_cover", lambda much, chance: snow_cover(IMAGE, GEOMETRY, much, chance)),
        ("night", lambda much, chance: night(IMAGE, GEOMETRY, much, chance)),
        ("wet_road", lambda much, chance: wet_road(IMAGE, GEOMETRY, much, chance)),
        ("lens_drops", lambda much, chance: lens_drops(IMAGE, much, chance)),
    ],
)
def test_amounts_that_cannot_be(name: str, put, amount: float) -> None:
    with pytest.raises(InputError, match=f"{name}: expected a .*, got {amount}. To fix: give"):
        put(amount, np.random.default_rng(0))


def test_a_lens_is_never_all_drops() -> None:
    """It would take infinitely many."""
    with pytest.raises(InputError, match=r"lens_drops: expected a number from 0 to 0\.5, got 1\. "):
        lens_drops(IMAGE, 1, np.random.default_rng(0))
