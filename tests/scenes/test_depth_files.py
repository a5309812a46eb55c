"""Depth from files: known geometry, holes, sizes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from driftseg.errors import InputError, UnreadableError
from driftseg.labels import CAMVID11, CITYSCAPES19
from driftseg.scenes.depth_files import (
    DepthFiles,
    DisparityFiles,
    Stereo,
    View,
    disparity_to_depth,
    fill_holes,
    read_stereo,
)
from driftseg.town.town import Town
from driftseg.weather.camera import CITYSCAPES, TOWN, Camera
from driftseg.weather.depth import measured_plane, road_plane_depth

STEREO = Stereo(baseline=0.209313, focal=2262.52)


def write_levels(path: Path, levels: np.ndarray) -> Path:
    Image.fromarray(levels.astype(np.uint16)).save(path)
    return path


def write_camera(path: Path, stereo: Stereo = STEREO) -> Path:
    values = {"extrinsic": {"baseline": stereo.baseline}, "intrinsic": {"fx": stereo.focal}}
    path.write_text(json.dumps(values))
    return path


def image(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def disparity_of(depth: np.ndarray) -> np.ndarray:
    """Cityscapes' encoding of a known depth."""
    levels = np.round(STEREO.baseline * STEREO.focal / depth * 256 + 1)
    return np.clip(levels, 1, 65535).astype(np.uint16)


def test_disparity_round_trip_with_known_geometry(tmp_path: Path) -> None:
    """Town's exact depth, stored as disparity and read back."""
    scene = Town(seed=1, size=(160, 120)).render(130)
    assert scene.depth is not None
    reader = DisparityFiles(TOWN, CAMVID11)
    view = View(
        tmp_path / "a.png", scene.image, scene.label,
        write_levels(tmp_path / "d.png", disparity_of(scene.depth)),
        write_camera(tmp_path / "c.json"),
    )  # fmt: skip
    depth, told = reader.read(view)
    near = np.isfinite(scene.depth) & (scene.depth < 100)
    assert near.mean() > 0.3
    assert np.abs(depth[near] / scene.depth[near] - 1).max() < 0.003
    assert np.isinf(depth[scene.label == 0]).all()
    assert "disparity" in told


def test_levels_of_disparity() -> None:
    """By hand: level 257 is one pixel, 513 two; 1 is no disparity at all, 0 not measured."""
    depth = disparity_to_depth(np.array([[257, 513, 1, 0]], np.uint16), Stereo(0.5, 1000.0))
    assert depth[0, :3].tolist() == [500.0, 250.0, np.inf]
    assert np.isnan(depth[0, 3])


def test_more_disparity_is_nearer() -> None:
    levels = np.arange(1, 65536, 7, dtype=np.uint16)[None]
    assert (np.diff(disparity_to_depth(levels, STEREO)[0]) < 0).all()


def test_holes_are_filled_downwards_on_the_road_by_its_plane_and_the_sky_is_infinite() -> None:
    road, building, sky = (CITYSCAPES19.classes.index(n) for n in ("road", "building", "sky"))
    label = np.full((100, 8), road, np.uint8)
    label[:60] = building
    label[:20] = sky
    depth = np.full((100, 8), 7.0, np.float32)
    depth[:60] = 30.0
    depth[30:50, 2] = np.nan  # in a building: what is below it
    depth[80, 3] = np.nan  # in the road: the plane
    depth[:15, 4] = np.nan  # in the sky
    filled = fill_holes(depth, camera=CITYSCAPES, label=label, label_space=CITYSCAPES19)
    assert (filled[30:50, 2] == 30.0).all()
    assert filled[80, 3] == road_plane_depth(100, 8, camera=CITYSCAPES)[80, 3]
    assert np.isinf(filled[:20]).all()
    assert not np.isnan(filled).any()
    known = ~np.isnan(depth) & (label != sky)
    assert np.array_equal(filled[known], depth[known])


def test_holes_without_a_label() -> None:
    """Above the horizon they are sky; below it what is under them, and the plane at the foot."""
    depth = np.full((100, 4), 12.0, np.float32)
    depth[:30] = np.nan
    depth[60:70, 1] = np.nan
    depth[90:] = np.nan
    filled = fill_holes(depth, camera=CITYSCAPES, label=None, label_space=CITYSCAPES19)
    assert np.isinf(filled[:30]).all()
    assert (filled[60:70, 1] == 12.0).all()
    plane = road_plane_depth(100, 4, camera=CITYSCAPES)
    assert np.array_equal(filled[90:], plane[90:])


def test_a_picture_without_any_measurement_is_the_road_plane() -> None:
    label = np.full((50, 6), CITYSCAPES19.classes.index("building"), np.uint8)
    nothing = np.full((50, 6), np.nan, np.float32)
    filled = fill_holes(nothing, camera=CITYSCAPES, label=label, label_space=CITYSCAPES19)
    assert np.array_equal(filled, road_plane_depth(50, 6, camera=CITYSCAPES))


def depth_files(
    folder: Path, scale: float = 256.0, images: Iterable[str] = ("a.png",)
) -> DepthFiles:
    """Of images below the working folder, each a scene of its own."""
    return DepthFiles(
        folder, scale=scale, camera=CITYSCAPES, label_space=CITYSCAPES19, root=Path(),
        images={Path(path): path for path in images},
    )  # fmt: skip


def test_scale(tmp_path: Path) -> None:
    (tmp_path / "town").mkdir()
    write_levels(tmp_path / "town" / "a.png", np.full((6, 8), 2560))
    view = View(Path("elsewhere/a.jpg"), image(6, 8))
    for scale, metres in ((256, 10.0), (100, 25.6)):
        depth, told = depth_files(tmp_path, scale, [str(view.image_file)]).read(view)
        assert depth.dtype == np.float32
        assert np.allclose(depth, metres)
        assert f"{scale} levels a metre" in told


def test_half_size_is_enlarged_and_said(tmp_path: Path) -> None:
    levels = np.arange(1, 13).reshape(3, 4) * 256
    write_levels(tmp_path / "a.png", levels)
    depth, told = depth_files(tmp_path).read(View(Path("a.png"), image(6, 8)))
    assert "half the size" in told
    assert np.array_equal(depth, np.kron(np.arange(1, 13).reshape(3, 4), np.ones((2, 2))))


def test_depth_of_another_size(tmp_path: Path) -> None:
    write_levels(tmp_path / "a.png", np.full((4, 4), 256))
    wanted = r"expected depth of its image's size 8x6, got 4x4.*half"
    with pytest.raises(InputError, match=wanted):
        depth_files(tmp_path).read(View(Path("a.png"), image(6, 8)))
    write_camera(tmp_path / "c.json")
    view = View(Path("a.png"), image(8, 8), None, tmp_path / "a.png", tmp_path / "c.json")
    with pytest.raises(InputError, match="expected disparity of its image's size 8x8, got 4x4"):
        DisparityFiles(CITYSCAPES, CITYSCAPES19).read(view)


def test_folders_of_depth_that_cannot_be_used(tmp_path: Path) -> None:
    wanted = r"expected a folder of depth files, got a path where there is none"
    with pytest.raises(InputError, match=wanted):
        depth_files(tmp_path / "gone")
    with pytest.raises(InputError, match="expected 16-bit PNGs of depth, got none"):
        depth_files(tmp_path)
    for city in ("bern", "ulm"):
        (tmp_path / city).mkdir()
        write_levels(tmp_path / city / "a.png", np.ones((4, 4)))
    with pytest.raises(InputError, match=r"expected one depth file for a\.png, got both"):
        depth_files(tmp_path).files(Path("a.png"), None, None)
    with pytest.raises(
        InputError,
        match=r"expected a 16-bit PNG named like b\.png, got "
        r"none.*depth",
    ):
        depth_files(tmp_path / "ulm").read(View(Path("b.png"), image(4, 4)))
    with pytest.raises(InputError, match="depth: expected a scale above 0 levels per metre, got 0"):
        depth_files(tmp_path / "ulm", 0)


FRAMES = ("train/0/frame", "train/12/frame", "val/3/frame")


def write_depths(folder: Path, names: Iterable[str]) -> None:
    """Each as deep as its number, in metres."""
    for number, name in enumerate(names, start=1):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_levels(path, np.full((4, 4), 256 * number))


@pytest.mark.parametrize(
    ("depths", "metres"),
    [
        (FRAMES, (1, 2, 3)),  # as the images lie
        (("0/frame", "12/frame", "3/frame"), (1, 2, 3)),  # without the folders above
        (("depth/val/3/frame", "depth/train/0/frame"), (2, None, 1)),
        (("0/frame",), (1, None, None)),
        (("frame",), (None, None, None)),
        (("val/frame",), (None, None, None)),
        (("left/3/frame", "right/3/frame"), (None, None, None)),
        (("train/0/frame", "old/train/0/frame"), (1, None, None)),
    ],
)
def test_frames_of_one_name_in_many_folders(depths, metres, tmp_path: Path) -> None:
    """Whose depth it is, is told by the folders, and never guessed."""
    write_depths(tmp_path, depths)
    images = [f"{frame}.jpg" for frame in FRAMES]
    reader = depth_files(tmp_path, images=images)
    for name, wanted in zip(images, metres, strict=True):
        view = View(Path(name), image(4, 4))
        if wanted is None:
            with pytest.raises(
                InputError, match=rf"one depth file for {name}, got .*To fix: name depth files"
            ):
                reader.read(view)
            with pytest.raises(InputError, match=r"expected one depth file for"):
                reader.files(view.image_file, None, None)
        else:
            assert (reader.read(view)[0] == wanted).all()


def test_one_depth_of_a_scene_in_several_weathers(tmp_path: Path) -> None:
    write_depths(tmp_path, ["ulm_1"])
    shown = {Path(f"{weather}/ulm_1.png"): "ulm_1" for weather in ("clear", "rain", "fog")}
    reader = DepthFiles(
        tmp_path, scale=256, camera=CITYSCAPES, label_space=CITYSCAPES19, root=Path(), images=shown
    )
    for path in shown:
        assert reader.files(path, None, None) == [tmp_path / "ulm_1.png"]


def write_colours(path: Path, *channels: int) -> None:
    wide = np.dstack([np.full((4, 4), level, np.uint16) for level in channels])
    assert cv2.imwrite(str(path), wide)


def test_depth_in_three_channels_that_are_alike(tmp_path: Path) -> None:
    """As SYNTHIA's, in centimetres."""
    write_colours(tmp_path / "a.png", 1234, 1234, 1234)
    view = View(Path("a.png"), image(4, 4))
    assert np.allclose(depth_files(tmp_path, 100).read(view)[0], 12.34)
    write_colours(tmp_path / "a.png", 1234, 1234, 1235)
    wanted = r"expected a 16-bit PNG of one channel, or of channels that are alike, got colours"
    with pytest.raises(InputError, match=wanted):
        depth_files(tmp_path).read(view)
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(
        InputError,
        match="expected a 16-bit grey PNG, got mode RGB of 8 bits, "
        "which are too few for disparity or depth",
    ):
        depth_files(tmp_path).read(view)


def test_files_of_depth_that_cannot_be_used(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(tmp_path / "a.png")
    wanted = r"expected a 16-bit grey PNG, got mode L of 8 bits, which are too few for disparity"
    with pytest.raises(InputError, match=wanted):
        depth_files(tmp_path).read(View(Path("a.png"), image(4, 4)))
    noise = np.random.default_rng(0).integers(0, 65535, (40, 40))
    whole = write_levels(tmp_path / "a.png", noise).read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        UnreadableError,
        match="expected an image that can be decoded, got an "
        r"error \(image file is truncated\)",
    ):
        depth_files(tmp_path).read(View(Path("a.png"), image(40, 40)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "extrinsic.baseline in metres and intrinsic.fx in pixels, got a file without these"),
        ('{"extrinsic": {}}', "intrinsic.fx in pixels, got a file without these numbers"),
        ('{"extrinsic": {"baseline": 0}, "intrinsic": {"fx": 9}}', r"above 0, got 0\.0 m and 9\.0"),
    ],
)
def test_camera_files_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_stereo(tmp_path / "c.json")
    with pytest.raises(
        InputError,
        match=r"/gone\.json: expected a readable camera file, got "
        r"an error \(No such file or directory\)\. To fix: "
        "check",
    ):
        read_stereo(tmp_path / "gone.json")


def test_a_dataset_without_disparity() -> None:
    wanted = r"a\.png: expected disparity, which depth: disparity needs, got none"
    with pytest.raises(InputError, match=wanted):
        DisparityFiles(CITYSCAPES, CITYSCAPES19).read(View(Path("a.png"), image(4, 4)))


@pytest.mark.parametrize(("rows", "columns"), [((70, 103), (85, 110)), ((70, 88), (50, 150))])
def test_the_measured_plane_is_the_road_s_wherever_the_camera_stands(rows, columns) -> None:
    """With holes in it, and a car beside the road or right ahead where the road is sought."""
    other = Camera(height=2.4, horizon=0.35, focal_length=5.0)
    truth = road_plane_depth(120, 200, camera=other)
    depth = truth.copy()
    depth[slice(*rows), slice(*columns)] = truth[rows[1] - 1, 0] - 2
    depth[::7] = np.nan
    plane = measured_plane(depth, camera=CITYSCAPES)
    below = truth < 100
    assert np.abs(plane[below] / truth[below] - 1).max() < 0.02


def test_what_grows_deeper_downwards_is_no_road() -> None:
    rows = np.linspace(5, 60, 60, dtype=np.float32)[:, None]
    plane = measured_plane(np.repeat(rows, 80, axis=1), camera=CITYSCAPES)
    assert np.array_equal(plane, road_plane_depth(60, 80, camera=CITYSCAPES))


@pytest.mark.parametrize("depth", [np.nan, 12.0, np.inf])
def test_without_a_measured_road_it_is_the_camera_s(depth: float) -> None:
    plane = measured_plane(np.full((60, 80), depth, np.float32), camera=CITYSCAPES)
    assert np.array_equal(plane, road_plane_depth(60, 80, camera=CITYSCAPES))
