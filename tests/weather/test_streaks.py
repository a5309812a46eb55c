"""What falls near the camera: how much of each pixel it covers, at any size of the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.weather.camera import CAMVID, Camera
from driftseg.weather.rain import draw_drops, fall_speed, oscillation
from driftseg.weather.streaks import Particles, _splat, coverage

STILL = Camera(speed=0.0)


def falling(rate: float, seed: int, camera: Camera = CAMVID) -> Particles:
    diameter, centre = draw_drops(rate, np.random.default_rng(seed), camera, 0.75)
    velocity = np.zeros_like(centre)
    velocity[:, 1] = fall_speed(diameter)
    velocity[:, 2] = -camera.speed
    return Particles(diameter, centre, velocity)


def one(diameter: float, place: tuple[float, float, float], down: float) -> Particles:
    return Particles(np.array([diameter]), np.array([place]), np.array([[0.0, down, 0.0]]))


def far(height: int, width: int) -> np.ndarray:
    return np.full((height, width), np.inf, np.float32)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 50))
def test_laying_points_down_loses_nothing_and_keeps_their_middle(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    place = generator.uniform(0, [39, 29], (count, 2))
    weight = generator.random(count)
    laid = _splat(place, weight, (30, 40)).astype(float)
    assert laid.sum() == pytest.approx(weight.sum(), rel=1e-5, abs=1e-6)
    assert (laid * np.arange(40)).sum() == pytest.approx((weight * place[:, 0]).sum(), rel=1e-4)
    assert (laid * np.arange(30)[:, None]).sum() == pytest.approx(
        (weight * place[:, 1]).sum(), rel=1e-4
    )


def test_what_lies_half_outside_is_cut_off_without_a_word() -> None:
    place = np.array([[-0.5, 3.0], [39.5, 3.0], [-1.5, 3.0], [5.0, 1e9]])
    assert _splat(place, np.ones(4), (30, 40)).sum() == pytest.approx(1.0)


def test_a_single_drop_covers_its_area_for_its_share_of_the_exposure() -> None:
    """Length, width and share by hand: 3 mm at 2 m, falling 8 m/s for 5 ms, f = 1000 pixels."""
    camera = Camera(focal_length=2.2, sensor_width=1000, speed=0.0, focus=2.0)
    seen = coverage(one(3.0, (0.1, -0.05, 2.0), 8.0), far(600, 1000), camera)
    length, width = 8 * 0.005 * 1000 / 2, 3e-3 * 1000 / 2
    assert seen.sum() == pytest.approx(length * width * width / (length + width), rel=1e-4)
    rows, columns = np.indices(seen.shape)
    assert (seen * columns).sum() / seen.sum() == pytest.approx(499.5 + 50, abs=0.01)
    assert (seen * rows).sum() / seen.sum() == pytest.approx(299.5 - 25, abs=0.01)
    touched = np.flatnonzero(seen.sum(axis=1) > 1e-6)
    assert touched[-1] - touched[0] == pytest.approx(length, abs=4)


def test_what_is_wide_is_drawn_wide() -> None:
    """A box's deviation is width / sqrt(12); four pixels add their own."""
    camera = Camera(focal_length=2.2, sensor_width=1000, speed=0.0, focus=1.0)
    seen = coverage(one(8.0, (0.0, 0.0, 1.0), 8.0), far(600, 1000), camera)
    across = seen.sum(axis=0) / seen.sum()
    spread = math.sqrt((across * (np.arange(1000) - 499.5) ** 2).sum())
    assert spread == pytest.approx(math.sqrt(8**2 / 12 + 0.25), rel=0.05)


def test_out_of_focus_is_blurred() -> None:
    sharp = coverage(one(2.0, (0.0, 0.0, 1.0), 8.0), far(400, 600), Camera(focus=1.0, speed=0))
    blurred = coverage(one(2.0, (0.0, 0.0, 1.0), 8.0), far(400, 600), Camera(focus=50.0, speed=0))
    assert blurred.max() < 0.8 * sharp.max()
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-3)


def test_the_picture_s_size_does_not_change_how_much_is_covered() -> None:
    drops = falling(100, 0)
    means = [coverage(drops, far(w * 3 // 4, w), CAMVID).mean() for w in (160, 320, 960)]
    assert means == pytest.approx([means[-1]] * 3, rel=5e-3)


def test_streaks_add_up_in_any_order() -> None:
    drops = falling(50, 1)
    order = np.random.default_rng(0).permutation(len(drops.diameter))
    shuffled = Particles(drops.diameter[order], drops.centre[order], drops.velocity[order])
    one_way, other = (coverage(d, far(120, 160), CAMVID) for d in (drops, shuffled))
    assert np.allclose(one_way, other, atol=1e-5)


def test_more_rain_covers_more() -> None:
    means = [coverage(falling(r, 0), far(120, 160), CAMVID).mean() for r in (10, 25, 50, 100, 200)]
    assert means == sorted(means)
    assert means[-1] > 4 * means[0]


def test_only_what_is_before_the_scene_is_seen() -> None:
    drop = one(3.0, (0.0, 0.0, 2.0), 5.0)
    assert coverage(drop, np.full((60, 80), 1.9, np.float32), STILL).sum() == 0
    assert coverage(drop, np.full((60, 80), 2.1, np.float32), STILL).sum() > 0


def test_drops_swing_as_rayleigh_says() -> None:
    """2 mm: sqrt(8 x .0728 / (1000 x 1e-9)) = 763 rad/s, 121 Hz; small drops swing faster."""
    assert oscillation(np.array([2.0]))[0] / (2 * math.pi) == pytest.approx(121.5, abs=0.3)
    assert (np.diff(oscillation(np.linspace(0.5, 6, 20))) < 0).all()


def test_brightness_is_that_of_the_streak_s_points() -> None:
    drop = one(3.0, (0.0, 0.0, 2.0), 8.0)
    camera = Camera(speed=0.0, focus=2.0)
    plain = coverage(drop, far(400, 800), camera)
    rising = coverage(drop, far(400, 800), camera, brightness=lambda s, _: 1 + s / 0.0025)
    assert rising.sum() == pytest.approx(plain.sum(), rel=1e-3)
    rows = np.flatnonzero(plain.sum(axis=1))
    upper, lower = rows[len(rows) // 4], rows[3 * len(rows) // 4]
    assert rising[upper].sum() < 0.7 * plain[upper].sum()
    assert rising[lower].sum() > 1.3 * plain[lower].sum()
