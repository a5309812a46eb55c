"""Rain: the published physics, and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.town.town import Town
from driftseg.weather.camera import CITYSCAPES, TOWN, Camera
from driftseg.weather.depth import road_plane_depth
from driftseg.weather.rain import (
    _veil,
    draw_drops,
    drop_density_slope,
    extinction_per_kilometre,
    fall_speed,
    phase,
    rain,
    transmission,
)

# rate mm/h, extinction 1/km, transmission at 100 m, Marshall-Palmer slope 1/mm
TABLE = [
    (1, 0.3120, 0.9693, 4.100),
    (5, 0.9172, 0.9124, 2.924),
    (17, 2.0824, 0.8120, 2.2615),
    (25, 2.6963, 0.7637, 2.086),
    (50, 4.2901, 0.6512, 1.803),
    (75, 5.6292, 0.5695, 1.656),
    (100, 6.8258, 0.5053, 1.559),
    (200, 10.8604, 0.3376, 1.348),
]


@pytest.fixture(scope="module")
def scene():
    return Town(seed=1, size=(160, 120)).render(130)


@pytest.mark.parametrize(("rate", "extinction", "through", "slope"), TABLE)
def test_published_table(rate: float, extinction: float, through: float, slope: float) -> None:
    assert extinction_per_kilometre(rate) == pytest.approx(extinction, abs=5e-5)
    hundred = np.full((1, 1), 100, np.float32)
    assert transmission(hundred, rate)[0, 0] == pytest.approx(through, abs=5e-5)
    assert drop_density_slope(rate) == pytest.approx(slope, abs=5e-4)


def test_phase_function_at_a_right_angle() -> None:
    assert phase(math.pi / 2) == pytest.approx(1.7393e-3, rel=1e-4)


def test_phase_function_integrates_to_one() -> None:
    angle = np.linspace(0, math.pi, 200_001)
    values = np.array([phase(a) for a in angle]) * np.sin(angle) * 2 * math.pi
    assert np.trapezoid(values, angle) == pytest.approx(1, rel=1e-3)


def test_fall_speed_after_atlas() -> None:
    assert fall_speed(np.array([1.0, 3.0]))[0] == pytest.approx(9.65 - 10.3 * math.exp(-0.6))
    assert (np.diff(fall_speed(np.linspace(0, 6, 50))) >= 0).all()
    assert fall_speed(np.array([0.0]))[0] == 0


def test_airlight_is_about_four_fifths_of_the_image_mean() -> None:
    """With Cityscapes' camera p * E is .797 of the mean; sky behind heavy rain tends to it."""
    light = np.full((40, 60, 3), 0.5, np.float32)
    far = np.full((40, 60), np.inf, np.float32)
    veiled = _veil(light, far, 100_000.0, CITYSCAPES, 1.0)
    assert veiled.mean() == pytest.approx(0.797 * 0.5, rel=2e-3)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), severity=st.sampled_from([0.5, 1.0, 2.0]))
def test_no_rain_is_the_identity(seed: int, severity: float) -> None:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    depth = generator.uniform(1, 99, (24, 32)).astype(np.float32)
    dry = rain(image, depth, 0.0, generator, severity=severity)
    assert np.array_equal(dry, image)
    assert dry is not image


def test_pure_and_reproducible(scene) -> None:
    before = scene.image.copy(), scene.depth.copy()
    first = rain(scene.image, scene.depth, 75, np.random.default_rng(3), camera=TOWN)
    again = rain(scene.image, scene.depth, 75, np.random.default_rng(3), camera=TOWN)
    other = rain(scene.image, scene.depth, 75, np.random.default_rng(4), camera=TOWN)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(scene.image, before[0])
    assert np.array_equal(scene.depth, before[1])


def test_more_rain_changes_more_and_hides_what_is_far(scene) -> None:
    change, contrast = [], []
    far = np.isfinite(scene.depth) & (scene.depth > 40)
    for rate in (0, 25, 50, 100, 200):
        wet = rain(scene.image, scene.depth, rate, np.random.default_rng(0), camera=TOWN)
        change.append(np.abs(wet.astype(float) - scene.image).mean())
        through = transmission(scene.depth, rate)
        contrast.append(through[far].mean())
    assert change == sorted(change)
    assert change[-1] > 2 * change[1] > 0
    assert contrast == sorted(contrast, reverse=True)


def test_number_of_drops_follows_marshall_palmer() -> None:
    """The expected number in view, integrated anew by brute force."""
    camera, aspect = CITYSCAPES, 0.5
    for rate in (25, 200):
        counts = [len(draw_drops(rate, np.random.default_rng(s), camera, aspect)[0])
                  for s in range(5)]  # fmt: skip
        expected, step = 0.0, 0.001
        across = camera.sensor_width / camera.sensor_focal_pixels
        for size in np.arange(0.5, 6.0, step):
            reach = camera.sensor_focal_pixels * size * 1e-3
            cone = aspect * across**2 * (reach**3 - 0.4**3) / 3
            expected += 8000 * math.exp(-drop_density_slope(rate) * size) * cone * step
        assert np.mean(counts) == pytest.approx(expected, rel=0.03)


def test_drops_lie_in_view_and_are_a_sensor_pixel_wide() -> None:
    camera = TOWN
    diameter, place = draw_drops(100, np.random.default_rng(0), camera, 0.75)
    assert diameter.min() >= 0.5
    assert diameter.max() <= 6.0
    width = camera.sensor_focal_pixels * diameter * 1e-3 / place[:, 2]
    assert width.min() >= 1 - 1e-9
    column = camera.focal_pixels(320) * place[:, 0] / place[:, 2]
    assert np.abs(column).max() <= 160


def test_drops_behind_a_wall_are_not_seen() -> None:
    image = np.full((60, 80, 3), 128, np.uint8)
    near = np.full((60, 80), 0.3, np.float32)
    wet = rain(image, near, 200, np.random.default_rng(0))
    assert np.abs(wet.astype(int) - 128).max() <= 1


def test_streaks_lengthen_with_exposure() -> None:
    """Length is speed times exposure: streaks of a longer exposure smooth columns more."""
    image = np.full((120, 160, 3), 60, np.uint8)
    depth = np.full((120, 160), 30, np.float32)
    roughness = []
    for exposure in (2.0, 10.0):
        camera = Camera(exposure=exposure, speed=0.0)
        wet = rain(image, depth, 100, np.random.default_rng(1), camera=camera).astype(float)
        down = np.abs(np.diff(wet, axis=0)).mean()
        across = np.abs(np.diff(wet, axis=1)).mean()
        roughness.append(down / across)
    assert roughness[1] < 0.75 * roughness[0] < 1.0


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(InputError, match=f"rain: expected a finite number .*, got {rate}. To fix"):
        rain(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.float32), rate,
             np.random.default_rng(0))  # fmt: skip


def test_depth_of_another_size() -> None:
    with pytest.raises(InputError, match="depth: expected its image's size 4x4, got 5x4"):
        rain(np.zeros((4, 4, 3), np.uint8), np.ones((4, 5), np.float32), 1.0,
             np.random.default_rng(0))  # fmt: skip


def test_depth_with_holes() -> None:
    depth = np.ones((4, 4), np.float32)
    depth[0, 0] = np.nan
    with pytest.raises(InputError, match="depth: expected metres of 0 or more, got NaN"):
        rain(np.zeros((4, 4, 3), np.uint8), depth, 1.0, np.random.default_rng(0))


def test_road_plane_agrees_with_town_on_the_road(scene) -> None:
    """The approximation against the truth it approximates."""
    guess = road_plane_depth(120, 160, camera=TOWN, label=scene.label, label_space=CAMVID11)
    road = (scene.label == CAMVID11.classes.index("road")) & (scene.depth < 25)
    assert np.median(np.abs(guess[road] / scene.depth[road] - 1)) < 0.15
    sky = scene.label == CAMVID11.classes.index("sky")
    assert np.isinf(guess[sky]).all()
    assert np.isfinite(guess[~sky]).all()
    car = (scene.label == CAMVID11.classes.index("car")) & (scene.depth < 25)
    assert np.median(np.abs(guess[car] / scene.depth[car] - 1)) < 0.35


def test_upright_things_stand_where_they_touch_the_ground() -> None:
    label = np.full((100, 40), CAMVID11.classes.index("road"), np.uint8)
    label[:46] = CAMVID11.classes.index("sky")
    label[20:70, 10:14] = CAMVID11.classes.index("pole")
    depth = road_plane_depth(100, 40, camera=TOWN, label=label, label_space=CAMVID11)
    assert (depth[20:70, 10:14] == depth[70, 10]).all()
    assert np.isinf(depth[5, 5])


def test_road_plane_without_labels() -> None:
    depth = road_plane_depth(100, 40, camera=TOWN)
    assert (np.diff(depth[:, 0]) <= 0).all()
    assert depth[0, 0] == 200
    focal = TOWN.focal_pixels(40)
    assert depth[-1, 0] == pytest.approx(1.5 * focal / (99.5 - 46), rel=1e-5)


@pytest.mark.parametrize(("rate", "through"), [(row[0], row[2]) for row in TABLE])
def test_contrast_at_a_hundred_metres_is_the_table_s(rate: float, through: float) -> None:
    checks = np.indices((40, 60)).sum(axis=0)[..., None] // 4 % 2 * np.ones(3) * 0.4 + 0.1
    wall = np.full((40, 60), 100, np.float32)
    veiled = _veil(checks.astype(np.float32), wall, rate, CITYSCAPES, 1.0)
    assert veiled.max() - veiled.min() == pytest.approx(0.4 * through, rel=2e-4)


@pytest.mark.parametrize("severity", [0.5, 2.0])
def test_severity_is_an_exponent_of_what_comes_through(severity: float) -> None:
    """It scales the extinction: at twice the severity as through twice as much rain."""
    checks = np.indices((40, 60)).sum(axis=0)[..., None] // 4 % 2 * np.ones(3) * 0.4 + 0.1
    wall = np.full((40, 60), 100, np.float32)
    veiled = _veil(checks.astype(np.float32), wall, 50, CITYSCAPES, severity)
    assert veiled.max() - veiled.min() == pytest.approx(0.4 * 0.6512**severity, rel=5e-4)


def test_contrast_falls_steadily_with_the_rain(scene) -> None:
    """Of the whole veiled picture, as far as it is not sky."""
    light = scene.image.astype(np.float32) / 255
    solid = np.isfinite(scene.depth) & (scene.depth > 20)
    deviations = [
        _veil(light, scene.depth, rate, TOWN, 1.0)[solid].std() for rate in (1, 25, 50, 100, 200)
    ]
    assert deviations == sorted(deviations, reverse=True)


def test_the_sky_leaves_no_rim_around_a_roof() -> None:
    """A dark wall before a bright sky stays as dark beside the sky as far from it."""
    light = np.full((120, 160, 3), 0.9, np.float32)
    light[:, 80:] = 0.2
    depth = np.full((120, 160), np.inf, np.float32)
    depth[:, 80:] = 15
    veiled = _veil(light, depth, 100, CITYSCAPES, 1.0)[60, :, 0]
    assert abs(veiled[82] - veiled[150]) < 0.02
    assert abs(veiled[77] - veiled[10]) < 0.02
    assert veiled[10] < 0.6
