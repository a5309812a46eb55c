"""Fog: Koschmieder's law, and what must hold whatever the scene."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.errors import InputError
from driftseg.town.town import Town
from driftseg.weather.camera import CITYSCAPES, TOWN
from driftseg.weather.depth import distance_along_rays
from driftseg.weather.fog import AIRLIGHT, extinction_per_kilometre, fog, transmission

# visibility m, beta 1/m
TABLE = [
    (750, 0.003994), (375, 0.007989), (150, 0.019972), (75, 0.039943), (50, 0.059915),
    (40, 0.074893), (30, 0.099858),
]  # fmt: skip

GREY = round(AIRLIGHT[0] * 255)
seeds = st.integers(0, 2**32 - 1)
metres = st.floats(5, 5000)


def random_scene(seed: int, height: int = 12, width: int = 16):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return image, generator.uniform(0, 300, (height, width)).astype(np.float32)


@pytest.mark.parametrize(("visibility", "beta"), TABLE)
def test_published_table(visibility: float, beta: float) -> None:
    assert extinction_per_kilometre(visibility) / 1000 == pytest.approx(beta, abs=5e-7)


@given(metres)
def test_five_percent_come_through_the_visibility(visibility: float) -> None:
    distance = np.full((1, 1), visibility, np.float32)
    assert transmission(distance, visibility)[0, 0] == pytest.approx(0.05, rel=1e-5)


@given(seeds, metres)
def test_what_touches_the_lens_is_not_veiled(seed: int, visibility: float) -> None:
    image, depth = random_scene(seed)
    assert np.array_equal(fog(image, np.zeros_like(depth), visibility), image)


@given(seeds, st.sampled_from([None, math.inf]))
def test_no_fog_is_an_equal_copy(seed: int, visibility: float | None) -> None:
    image, depth = random_scene(seed)
    depth[0] = np.inf
    clear = fog(image, depth, visibility)
    assert np.array_equal(clear, image)
    assert clear is not image


@given(seeds, metres, metres)
def test_thicker_fog_veils_more(seed: int, one: float, other: float) -> None:
    image, depth = random_scene(seed)
    thick, thin = sorted([one, other])
    assert (transmission(depth, thick) <= transmission(depth, thin)).all()
    gap = [np.abs(fog(image, depth, v).astype(int) - GREY) for v in (thick, thin)]
    assert (gap[0] <= gap[1]).all()


@given(seeds, metres, st.tuples(*[st.floats(0, 1)] * 3))
def test_the_sky_becomes_airlight(seed: int, visibility: float, airlight) -> None:
    image, depth = random_scene(seed)
    depth[:5] = np.inf
    veiled = fog(image, depth, visibility, airlight=airlight)
    assert np.abs(veiled[:5] - np.array(airlight) * 255).max() <= 0.501


@given(seeds, metres, st.floats(0.1, 4))
def test_severity_scales_the_extinction(seed: int, visibility: float, severity: float) -> None:
    image, depth = random_scene(seed)
    scaled = fog(image, depth, visibility, severity=severity).astype(int)
    assert np.abs(scaled - fog(image, depth, visibility / severity)).max() <= 1
    assert np.array_equal(fog(image, depth, visibility, severity=0), image)


def test_a_pixel_by_hand() -> None:
    """100 m straight ahead in 150 m of visibility: T = .05^(2/3)."""
    image, depth = np.full((1, 1, 3), 40, np.uint8), np.full((1, 1), 100, np.float32)
    through = 0.05 ** (100 / 150)
    assert fog(image, depth, 150)[0, 0, 0] == round(40 * through + 204 * (1 - through))


def test_distance_is_along_the_ray() -> None:
    """A pixel u from the middle, at a focal length of f, is sqrt(1 + (u / f)^2) times as far."""
    focal = CITYSCAPES.focal_pixels(401)
    depth = np.full((1, 401), 5, np.float32)
    distance = distance_along_rays(depth, CITYSCAPES)
    assert distance[0, 200] == 5
    assert distance[0, 0] == pytest.approx(5 * math.hypot(1, 200 / focal))
    assert np.array_equal(distance, distance[:, ::-1])
    side = distance_along_rays(np.full((401, 401), 5, np.float32), CITYSCAPES)
    assert np.allclose(side, side.T)
    assert np.isinf(distance_along_rays(np.full((2, 2), np.inf, np.float32), TOWN)).all()


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_pure(seed: int) -> None:
    scene = Town(seed=seed % 100, size=(64, 48)).render(seed % 1000)
    assert scene.depth is not None
    before = scene.image.copy(), scene.depth.copy()
    first = fog(scene.image, scene.depth, 75, camera=TOWN)
    assert np.array_equal(first, fog(scene.image, scene.depth, 75, camera=TOWN))
    assert np.array_equal(scene.image, before[0])
    assert np.array_equal(scene.depth, before[1])


def _fog(**changes) -> None:
    arguments = {"image": np.zeros((4, 4, 3), np.uint8), "depth": np.ones((4, 4), np.float32),
                 "visibility": 75.0, **changes}  # fmt: skip
    fog(**arguments)


@pytest.mark.parametrize("visibility", [0.0, -75.0, math.nan, -math.inf])
def test_impossible_visibilities(visibility: float) -> None:
    with pytest.raises(InputError, match=f"visibility: expected metres above 0, got {visibility}"):
        _fog(visibility=visibility)


@pytest.mark.parametrize("severity", [-1.0, math.nan, math.inf])
def test_impossible_severities(severity: float) -> None:
    with pytest.raises(InputError, match=f"severity: expected a finite number .*, got {severity}"):
        _fog(severity=severity)


def test_impossible_airlight() -> None:
    message = r"airlight: expected .* from 0 to 1, got \(204, 204, 204\). To fix: divide"
    with pytest.raises(InputError, match=message):
        _fog(airlight=(204, 204, 204))


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (
            np.ones((4, 5), np.float32),
            "depth: expected its image's size 4x4, got 5x4. To fix: bring both",
        ),
        (
            np.full((4, 4), np.nan, np.float32),
            "depth: expected metres of 0 or more, got NaN. To fix",
        ),
        (np.full((4, 4), -1, np.float32), "depth: expected metres of 0 or more, got -1. To fix"),
    ],
)
def test_depths_that_do_not_fit(depth, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _fog(depth=depth)
