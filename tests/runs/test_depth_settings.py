"""Depth as a setting of a data section: a run uses what driftseg weather uses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import layout_trees
from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.build import build
from driftseg.scenes.folder import FolderSettings
from driftseg.scenes.idd import IddSettings
from driftseg.scenes.synthia import SynthiaSettings
from driftseg.town.town import Town
from driftseg.weather.camera import CITYSCAPES


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Images, and depth of twice as many levels a metre as there are in 256."""
    town = Town(seed=3, size=(64, 48))
    for name in ("images", "depth"):
        (tmp_path / name).mkdir()
    for i in range(4):
        scene = town.render(30 * i)
        assert scene.depth is not None
        Image.fromarray(scene.image).save(tmp_path / "images" / f"f{i}.png")
        levels = np.where(np.isinf(scene.depth), 0, scene.depth * 512).clip(0, 65535)
        Image.fromarray(levels.astype(np.uint16)).save(tmp_path / "depth" / f"f{i}.png")
    return tmp_path


def data(street: Path, **changes) -> FolderSettings:
    return FolderSettings(kind="folder", root=street / "images", **changes)


def test_scenes_have_the_depth_that_is_asked_for(street: Path) -> None:
    assert data(street).make().scene(0).depth is None
    pictures = {"files": street / "depth", "scale": 512}
    scene = data(street, depth=pictures).make(CITYSCAPES).scene(0)
    exact = Town(seed=3, size=(64, 48)).render(0).depth
    assert exact is not None
    near = exact < 100
    assert np.allclose(scene.depth[near], exact[near], atol=0.01)
    assert scene.depth_source == (
        "depth pictures of 512 levels a metre; holes filled downwards, on the road by its plane; "
        "sky infinite"
    )


def test_depth_shrinks_with_its_image(street: Path) -> None:
    pictures = {"files": street / "depth", "scale": 512}
    scene = data(street, depth=pictures, size=(32, 32)).make().scene(0)
    assert scene.depth.shape == scene.image.shape[:2] == (32, 32)


def test_disparity_where_there_is_none(street: Path) -> None:
    with pytest.raises(
        InputError, match="expected disparity, which depth: disparity needs, got none"
    ):
        data(street, depth="disparity").make().scene(0)


def test_a_run_says_which_depth_its_weather_is_rendered_on(
    street: Path, tiny_run, write_config
) -> None:
    target = {
        "kind": "folder", "root": str(street / "images"),
        "depth": {"files": str(street / "depth"), "scale": 512},
    }  # fmt: skip
    config = write_config({**tiny_run, "target": target})
    parts = build(read_config(config, RunConfig))
    assert any(note.startswith("weather is rendered on depth pictures of 512") for note in
               parts.notes)  # fmt: skip


def test_depth_of_another_drive_is_not_taken(tmp_path: Path) -> None:
    """Every drive of IDD may hold a frame of the same name, chosen or not."""
    layout_trees.idd(tmp_path / "idd")
    name = "frame0029_leftImg8bit.png"
    near = np.full((layout_trees.HEIGHT, layout_trees.WIDTH), 5 * 256, np.uint16)
    layout_trees.save(tmp_path / "depth" / "0" / name, near)
    pictures = {"files": tmp_path / "depth"}
    section = {"kind": "idd", "root": tmp_path / "idd", "depth": pictures}
    train = check(section, IddSettings, where="test").make()
    assert (train.scene(0).depth == 5).any()
    with pytest.raises(InputError, match=rf"expected one depth file for .*train/12/{name}, got"):
        train.scene(1)
    val = check({**section, "split": "val"}, IddSettings, where="test").make()
    with pytest.raises(InputError, match=rf"expected one depth file for .*val/3/{name}, got"):
        val.scene(0)
    layout_trees.save(tmp_path / "depth" / "12" / name, 2 * near)
    layout_trees.save(tmp_path / "depth" / "3" / name, 3 * near)
    scenes = [train.scene(0), *(
        check({**section, "split": split}, IddSettings, where="test").make().scene(i)
        for split, i in (("train", 1), ("val", 0))
    )]  # fmt: skip
    for scene, metres in zip(scenes, (5, 10, 15), strict=True):
        assert (scene.depth == metres).any()


def test_synthia_s_own_depth(tmp_path: Path) -> None:
    """Three channels of 16 bits that are alike, in centimetres."""
    root = tmp_path / "synthia"
    layout_trees.synthia(root)
    for path in (root / "Depth" / "Depth").iterdir():
        levels = np.full((layout_trees.HEIGHT, layout_trees.WIDTH, 3), 1250, np.uint16)
        assert cv2.imwrite(str(path), levels)
    section = {"kind": "synthia", "root": root, "split": "all",
               "depth": {"files": root / "Depth", "scale": 100}}  # fmt: skip
    scene = check(section, SynthiaSettings, where="test").make().scene(0)
    assert (scene.depth == 12.5).any()


@pytest.mark.parametrize(
    "depth", ["disparitty", {"files": "x", "scale": 0}, {"fils": "x"}, {"network": 3}]
)
def test_settings_that_cannot_be(street: Path, tiny_run, write_config, depth) -> None:
    target = {"kind": "folder", "root": str(street / "images"), "depth": depth}
    config = write_config({**tiny_run, "target": target})
    with pytest.raises(InputError, match=r"target\.depth"):
        read_config(config, RunConfig)
