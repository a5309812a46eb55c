"""Snow: its law, what falls and what lies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from driftseg.errors import InputError
from driftseg.town.town import Town
from driftseg.weather.camera import TOWN, Camera
from driftseg.weather.geometry import Geometry, geometry_of, ground_noise
from driftseg.weather.snow import (
    extinction_per_kilometre,
    fall_speed,
    falling_snow,
    flake_density,
    snow_cover,
    whiteness,
)


@pytest.fixture(scope="module")
def scene():
    return Town(seed=1, size=(160, 120)).render(130)


@pytest.fixture(scope="module")
def geometry(scene) -> Geometry:
    return geometry_of(scene, TOWN, Town.label_space)


@pytest.mark.parametrize("rate", [0.3, 1.0, 2.5])
def test_extinction_is_twice_the_cross_section(rate: float) -> None:
    """Integrated anew over the flakes' own diameters, without a closed form."""
    step = 0.001
    diameter = np.arange(step / 2, 120, step)
    square_metres = (flake_density(diameter, rate) * math.pi / 4 * (diameter * 1e-3) ** 2).sum()
    assert extinction_per_kilometre(rate) == pytest.approx(2 * square_metres * step * 1e3, rel=1e-4)


def test_moderate_snow_hides_what_is_a_kilometre_away() -> None:
    """At 1 mm/h of water one sees about 900 m by the contrast of 5 %."""
    assert -math.log(0.05) / extinction_per_kilometre(1.0) == pytest.approx(0.897, abs=0.005)
    assert extinction_per_kilometre(0.0) == 0
    rates = [extinction_per_kilometre(r) for r in (0.1, 0.5, 1, 2, 5)]
    assert rates == sorted(rates)


def test_flakes_fall_at_about_a_metre_per_second() -> None:
    assert fall_speed(np.array([2.154]))[0] == pytest.approx(0.98, abs=1e-3)


def test_no_snow_is_the_identity(scene, geometry) -> None:
    for calm in (
        falling_snow(scene.image, scene.depth, 0.0, np.random.default_rng(0)),
        snow_cover(scene.image, geometry, 0.0, np.random.default_rng(0)),
    ):
        assert np.array_equal(calm, scene.image)
        assert calm is not scene.image


def test_more_snow_hides_more(scene) -> None:
    change = []
    for rate in (0.2, 0.5, 1, 2, 4):
        seen = falling_snow(scene.image, scene.depth, rate, np.random.default_rng(0), camera=TOWN)
        change.append(np.abs(seen.astype(float) - scene.image).mean())
    assert change == sorted(change)


def test_the_sky_turns_white(scene) -> None:
    seen = falling_snow(scene.image, scene.depth, 2, np.random.default_rng(0), camera=TOWN)
    white = whiteness(scene.image.astype(np.float32) / 255)[0] * 255
    assert np.abs(seen[np.isinf(scene.depth)].astype(float) - white).max() <= 1


@pytest.mark.parametrize("severity", [0.5, 1.0, 2.0])
def test_severity_scales_the_extinction(severity: float) -> None:
    """Of a wall 100 m away, by a camera too coarse to see a single flake."""
    coarse = Camera(focal_length=0.05, sensor_width=20)
    checks = np.indices((40, 60)).sum(axis=0)[..., None] // 8 % 2 * np.full(3, 100) + 50
    wall = np.full((40, 60), 100, np.float32)
    seen = falling_snow(
        checks.astype(np.uint8), wall, 2.5, np.random.default_rng(0), camera=coarse,
        severity=severity,
    )[19:21, 24:36]  # fmt: skip
    through = math.exp(-severity * extinction_per_kilometre(2.5) * 0.1)
    assert int(seen.max()) - int(seen.min()) == pytest.approx(100 * through, abs=2)


def test_severity_scales_what_flakes_hide() -> None:
    """Before a black wall so near that there is hardly any air before it."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[:20] = 240
    wall = np.full((120, 160), 2, np.float32)
    hidden = []
    for severity in (1.0, 2.0):
        seen = falling_snow(
            image, wall, 5, np.random.default_rng(0), camera=TOWN, severity=severity
        )
        hidden.append(-np.log(1 - seen[20:, :, 0] / 240))
    flakes = (hidden[0] > 0.1) & (hidden[0] < 1)
    assert flakes.sum() > 100
    assert np.median(hidden[1][flakes] / hidden[0][flakes]) == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_as_much_of_the_ground_is_covered_as_was_asked(scene, geometry, share: float) -> None:
    """Nearer than 20 m and over several draws, since patches are as large as a pavement."""
    near = geometry.ground & (scene.depth < 20)
    dark = np.full_like(scene.image, 40)
    dark[:12] = 250
    covered = []
    for seed in range(24):
        lying = snow_cover(dark, geometry, share, np.random.default_rng(seed), camera=TOWN)
        least, most = lying[near].min(), lying[near].max()
        covered.append((lying[near].mean() - least) / (float(most) - least))
    assert np.mean(covered) == pytest.approx(share, abs=0.12)


def test_walls_stay_bare_but_for_their_edges(scene, geometry) -> None:
    lying = snow_cover(scene.image, geometry, 1.0, np.random.default_rng(0), camera=TOWN)
    upright = ~geometry.ground & ~geometry.sky
    away = np.abs(lying.astype(int) - scene.image).max(axis=2) > 40
    assert 0 < away[upright].mean() < 0.15
    assert away[geometry.ground].mean() > 0.8


def test_patches_are_spread_evenly_and_go_on_around_the_middle() -> None:
    depth = np.full((200, 300), 10.0, np.float32)
    depth *= np.linspace(0.5, 2, 200)[:, None].astype(np.float32)
    noise = ground_noise(depth, TOWN, np.random.default_rng(0), metres=0.1)
    assert np.quantile(noise, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.08)
    steps = np.abs(np.diff(noise, axis=1)).mean(axis=0)
    assert steps[149] < 1.6 * np.median(steps)


def test_without_labels_or_depth_nothing_tells_what_is_ground(scene) -> None:
    bare = Geometry(np.full((120, 160), 30, np.float32))
    with pytest.raises(
        InputError, match=r"snow_cover: expected labels or measured depth .*, got none"
    ):
        snow_cover(scene.image, bare, 0.5, np.random.default_rng(0))
