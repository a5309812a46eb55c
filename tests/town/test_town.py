"""Town: exact, reproducible, complete."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.labels import CAMVID11
from driftseg.town.canvas import Canvas, Material, View
from driftseg.town.scenes import TownScenes
from driftseg.town.town import Town


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    index=st.integers(0, 100_000),
    size=st.sampled_from([(64, 48), (97, 61), (160, 120)]),
)
def test_any_frame_of_any_town(seed: int, index: int, size: tuple[int, int]) -> None:
    scene = Town(seed=seed, size=size).render(index)
    assert scene.image.shape == (size[1], size[0], 3)
    assert scene.image.dtype == np.uint8
    assert scene.label is not None
    assert scene.label.shape == (size[1], size[0])
    assert scene.label.max() < len(CAMVID11)
    assert scene.depth is not None
    assert scene.depth.dtype == np.float32
    assert (scene.depth > 0).all()
    sky = scene.label == CAMVID11.classes.index("sky")
    assert np.isinf(scene.depth[sky]).all()
    assert np.isfinite(scene.depth[~sky]).mean() > 0.999


def test_a_frame_does_not_depend_on_what_was_rendered_before() -> None:
    town = Town(seed=4, size=(96, 64))
    in_order = [town.render(i) for i in range(6)]
    other = Town(seed=4, size=(96, 64))
    for i in (5, 0, 3):
        again = other.render(i)
        assert np.array_equal(again.image, in_order[i].image)
        assert np.array_equal(again.label, in_order[i].label)
        assert np.array_equal(again.depth, in_order[i].depth)


def test_seeds_are_different_towns() -> None:
    a, b = (Town(seed=s, size=(96, 64)).render(10) for s in (1, 2))
    assert (a.label != b.label).mean() > 0.1


def test_all_classes_appear_often() -> None:
    town = Town(seed=11, size=(160, 120))
    frames = [town.render(i).label for i in range(0, 800, 20)]
    for number, name in enumerate(CAMVID11.classes):
        having = np.mean([(label == number).any() for label in frames])
        assert having > 0.6, f"{name} is in {having:.0%} of frames"
    share = np.bincount(np.concatenate([f.ravel() for f in frames]), minlength=11)[:11]
    assert share.min() / share.sum() > 0.003


def test_road_depth_is_the_plane_of_the_camera() -> None:
    size = (160, 120)
    scene = Town(seed=3, size=size).render(50)
    road = scene.label == CAMVID11.classes.index("road")
    rows = np.nonzero(road)[0]
    depth = scene.depth[road]
    inverse = 1 / depth
    slope, intercept = np.polyfit(rows, inverse, 1)
    assert np.abs(inverse - (slope * rows + intercept)).max() < 1e-5
    assert slope == pytest.approx(1 / (0.9 * size[0] * 1.5), rel=1e-4)


def test_frames_form_a_sequence() -> None:
    town = Town(seed=3, size=(160, 120))
    first, near, far = (town.render(i).label for i in (100, 101, 400))
    assert (first != near).mean() < 0.25 < (first != far).mean()


def test_upright_plane_has_exact_depth() -> None:
    """The affine inverse depth equals the ray's intersection with the wall."""
    view = View(100, 80, focal=90.0, horizon=35.0, above=1.5, travelled=0.0)
    near, far = (2.0, 4.0), (3.5, 20.0)
    canvas = Canvas(view)
    surface = canvas.surface(Material(1, (1, 1, 1)), view.upright(near, far))
    canvas.numbers[:] = surface
    inverse = canvas.inverse_depth()
    for share in (0.1, 0.5, 0.9):
        x = near[0] + share * (far[0] - near[0])
        z = near[1] + share * (far[1] - near[1])
        column = round(view.project(x, 0.0, z)[0])
        ray = (column - view.centre) / view.focal
        # intersect x = ray * z with the line through near and far
        slope = (far[0] - near[0]) / (far[1] - near[1])
        expected = (near[0] - slope * near[1]) / (ray - slope)
        assert 1 / inverse[40, column] == pytest.approx(expected, rel=1e-4)


def test_dataset_names_and_steps() -> None:
    scenes = TownScenes(seed=5, frames=3, start=7, every=10, size=(64, 48))
    assert [scenes.name(i) for i in range(3)] == ["town5_000007", "town5_000017", "town5_000027"]
    direct = Town(seed=5, size=(64, 48)).render(17)
    assert np.array_equal(scenes.scene(1).image, direct.image)
