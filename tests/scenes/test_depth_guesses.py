"""Depth that is guessed from a label, or from nothing."""

from __future__ import annotations

import numpy as np
import pytest

from driftseg.frame import Scene
from driftseg.labels import CITYSCAPES19
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import road_plane_depth
from driftseg.weather.geometry import geometry_of


def image(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_cityscapes_road_is_where_its_cameras_see_it() -> None:
    """1.22 m under 2262 pixels of focal length, the horizon at row 427 of 1024."""
    plane = road_plane_depth(1024, 2048, camera=CITYSCAPES)
    assert plane[600, 0] == pytest.approx(1.22 * 2262 / (600.5 - 427), rel=0.01)


def test_labels_without_a_labelled_pixel_are_none() -> None:
    """As those of Cityscapes' test split: nothing is taken to stand on the hood."""
    picture = image(60, 80)
    blank = Scene("x", picture, np.full((60, 80), 255, np.uint8))
    found = geometry_of(blank, CITYSCAPES, CITYSCAPES19)
    bare = geometry_of(Scene("x", picture), CITYSCAPES, CITYSCAPES19)
    assert np.array_equal(found.depth, bare.depth)
    assert found.ground is None
    assert "without labels" in found.source


def test_nothing_but_sky() -> None:
    sky = np.full((60, 80), CITYSCAPES19.classes.index("sky"), np.uint8)
    found = geometry_of(Scene("x", image(60, 80), sky), CITYSCAPES, CITYSCAPES19)
    assert np.isinf(found.depth).all()


def test_a_measured_depth_tells_the_ground_of_any_camera() -> None:
    other = Camera(height=2.4, horizon=0.35, focal_length=5.0)
    depth = road_plane_depth(120, 200, camera=other)
    depth[:42] = np.inf
    depth[50:80, 85:105] = depth[79, 0]
    found = geometry_of(Scene("x", image(120, 200), depth=depth), CITYSCAPES, CITYSCAPES19)
    assert found.ground[70:, :80].all()
    assert not found.ground[50:70, 88:102].any()
    assert not found.ground[:40].any()
