"""Depth from files: stereo disparity, or 16-bit pictures of metres.

What reads depth is a `DepthReader`. Weather needs metres at every pixel, so holes are filled
(`fill_holes`), and the words that come with a depth say from what and how it was made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from driftseg.errors import InputError
from driftseg.frame import Depth, Image, Label
from driftseg.images.reading import read_levels
from driftseg.labels import LabelSpace
from driftseg.scenes.depth_names import match_depths
from driftseg.settings import Settings
from driftseg.weather.camera import Camera
from driftseg.weather.depth import measured_plane

FILLED = "holes filled downwards, on the road by its plane; sky infinite"
"""What `fill_holes` does, in words."""


@dataclass(frozen=True)
class View:
    """One image as it is read from its file, and the files that may tell its depth."""

    image_file: Path
    image: Image
    """(H, W, 3)."""
    label: Label | None = None
    """(H, W)."""
    depth_file: Path | None = None
    """The dataset's own disparity or depth picture, where it has one."""
    camera_file: Path | None = None
    """Cityscapes' calibration, where there is one."""


class DepthReader(Protocol):
    """Where the depth of images comes from."""

    def read(self, view: View) -> tuple[Depth, str]:
        """Metres along the optical axis, (H, W), infinite for sky; and their source in words.

        Raises:
            InputError: what the depth is made from is missing or does not fit the image.
            UnreadableError: a file of it cannot be decoded.
        """
        ...

    def files(self, image: Path, depth: Path | None, camera: Path | None) -> list[Path]:
        """Which files an image's depth is read from; the arguments are those of its `View`."""
        ...


@dataclass(frozen=True)
class Stereo:
    """What turns disparity into metres."""

    baseline: float
    """Metres between both lenses."""
    focal: float
    """Pixels."""


def read_stereo(path: Path) -> Stereo:
    """The baseline and focal length of one of Cityscapes' ``*_camera.json``.

    Raises:
        InputError: the file is missing or does not hold both as positive numbers.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
        stereo = Stereo(float(values["extrinsic"]["baseline"]), float(values["intrinsic"]["fx"]))
    except OSError as error:
        raise InputError(
            f"{path}: expected a readable camera file, got an error ({error.strerror}). To fix: "
            "check the file and its permissions"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: expected Cityscapes' camera file with extrinsic.baseline in metres and "
            "intrinsic.fx in pixels, got a file without these numbers. To fix: get Cityscapes' "
            "camera package again"
        ) from None
    if not (stereo.baseline > 0 and stereo.focal > 0):
        raise InputError(
            f"{path}: expected a baseline and a focal length above 0, got {stereo.baseline} m and "
            f"{stereo.focal} px. To fix: correct the camera file"
        )
    return stereo


def disparity_to_depth(levels: npt.NDArray[np.uint16], stereo: Stereo) -> Depth:
    """Metres from Cityscapes' disparity pictures, (H, W); NaN where nothing was measured.

    Disparity in pixels is (level - 1) / 256 where the level is above 0 (Cityscapes' README), and
    depth is baseline times focal length over it.
    """
    disparity = (levels.astype(np.float32) - 1) / 256
    with np.errstate(divide="ignore"):
        depth = np.float32(stereo.baseline * stereo.focal) / disparity
    depth[levels == 0] = np.nan
    return np.asarray(depth, dtype=np.float32)


def fill_holes(
    depth: Depth, *, camera: Camera, label: Label | None, label_space: LabelSpace
) -> Depth:
    """Depth without NaN.

    Sky is infinite: where the label says so; without a label, or where no class is sky, what is
    above the horizon and was not measured. Holes in the ground get the depth of the road plane that
    was measured around them. Every other hole gets that of the nearest measured pixel below it in
    its column, since things stand on what is below them; where there is none (the car's own hood),
    the road plane's.

    Args:
        depth: metres, (H, W), NaN where nothing is known.
        camera: its road plane and horizon.
        label: class ids, (H, W).
        label_space: what they mean.
    """
    height = len(depth)
    hole = np.isnan(depth)
    rows = np.arange(height, dtype=np.int32)[:, None]
    nearest = np.where(hole, np.int32(height), rows)
    nearest = np.minimum.accumulate(nearest[::-1], axis=0)[::-1]
    filled = np.take_along_axis(depth, np.minimum(nearest, height - 1), axis=0)
    bottomless = nearest == height
    if label is None or not label_space.sky_ids:
        sky = hole & (rows + 0.5 < camera.horizon * height)
    else:
        sky = np.isin(label, label_space.sky_ids)
    known = [] if label is None else label_space.ground_ids
    ground = hole & np.isin(hole if label is None else label, known)
    plane = measured_plane(depth, camera=camera)
    filled = np.where(bottomless | ground, plane, filled)
    filled[sky] = np.inf
    return filled


@dataclass(frozen=True)
class DisparityFiles:
    """Cityscapes' disparity pictures beside their camera files."""

    camera: Camera
    label_space: LabelSpace

    def read(self, view: View) -> tuple[Depth, str]:
        """Depth from the dataset's own disparity; must have the image's size."""
        if view.depth_file is None or view.camera_file is None:
            missing = "disparity" if view.depth_file is None else "camera file"
            raise InputError(
                f"{view.image_file}: expected {missing}, which depth: disparity needs, got "
                "none. To fix: get Cityscapes' disparity and camera packages, or choose another "
                "depth"
            )
        stereo = read_stereo(view.camera_file)
        depth = disparity_to_depth(read_levels(view.depth_file), stereo)
        if depth.shape != view.image.shape[:2]:
            raise InputError(_sizes(view.depth_file, "disparity", depth, view.image))
        filled = fill_holes(
            depth, camera=self.camera, label=view.label, label_space=self.label_space
        )
        return filled, f"stereo disparity with its camera file's calibration; {FILLED}"

    def files(self, image: Path, depth: Path | None, camera: Path | None) -> list[Path]:
        """Both files."""
        return [path for path in (depth, camera) if path is not None]


class DepthFilesSettings(Settings):
    """16-bit PNGs, laid and named like their images: metres are levels / scale, 0 is unknown."""

    files: Path
    """Folder that holds them, searched with all folders in it."""
    scale: Annotated[float, Field(gt=0)] = 256.0
    """Levels a metre; 256 is that of the depth published with Weather Cityscapes."""

    def make(
        self,
        camera: Camera,
        label_space: LabelSpace,
        *,
        root: Path,
        images: Callable[[], Mapping[Path, str]],
    ) -> DepthFiles:
        """What reads them; ``images`` gives all images of the dataset, see `DepthFiles`."""
        return DepthFiles(
            self.files, scale=self.scale, camera=camera, label_space=label_space, root=root,
            images=images(),
        )  # fmt: skip


class DepthFiles:
    """16-bit PNGs of metres, in folders and of names like their images'.

    Args:
        folder: searched with all its folders, once.
        scale: levels a metre; 0 means unknown.
        camera: its road plane fills holes.
        label_space: what labels mean.
        root: folder that the images' paths are taken from.
        images: all of the dataset, also those that are not read, with the scene that each shows:
            `match_depths` says why.

    Raises:
        InputError: no such folder, or nothing in it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        scale: float,
        camera: Camera,
        label_space: LabelSpace,
        root: Path,
        images: Mapping[Path, str],
    ):
        if not scale > 0:
            raise InputError(
                f"depth: expected a scale above 0 levels per metre, got {scale}. To fix: set "
                "scale to such a number"
            )
        self.scale = scale
        self.folder = folder
        self.root = root
        self.camera = camera
        self.label_space = label_space
        self._matched = match_depths(images, root, _pictures(folder), folder)

    def read(self, view: View) -> tuple[Depth, str]:
        """Depth of the image's size, or of exactly half of it, which is enlarged."""
        path = self._picture(view.image_file)
        if path is None:
            raise InputError(
                f"{self.folder}: expected a 16-bit PNG named like {view.image_file}, got none. "
                "To fix: add it, or choose another depth"
            )
        levels = read_levels(path)
        depth = levels.astype(np.float32) / np.float32(self.scale)
        depth[levels == 0] = np.nan
        depth, halved = fit(depth, view.image, path)
        filled = fill_holes(
            depth, camera=self.camera, label=view.label, label_space=self.label_space
        )
        told = f"depth pictures of {self.scale:g} levels a metre"
        return filled, f"{told}{', at half the size' if halved else ''}; {FILLED}"

    def files(self, image: Path, depth: Path | None, camera: Path | None) -> list[Path]:
        """The depth picture; InputError where it is not certain which it is."""
        path = self._picture(image)
        return [] if path is None else [path]

    def _picture(self, image: Path) -> Path | None:
        if (doubt := self._matched.doubtful.get(image)) is not None:
            raise InputError(
                f"{self.folder}: expected one depth file for {image}, got {doubt}. To fix: name "
                f"depth files like their images, in the folders of the images in {self.root}"
            )
        return self._matched.pictures.get(image)


def fit(depth: Depth, image: Image, path: Path) -> tuple[Depth, bool]:
    """The depth at the image's size, and whether it came at half of it.

    The published depth of Weather Cityscapes is of half its images' size. Depths are repeated,
    not blended: between near and far there is nothing.
    """
    height, width = image.shape[:2]
    if depth.shape == (height, width):
        return depth, False
    if (2 * depth.shape[0], 2 * depth.shape[1]) == (height, width):
        return resize_depth(depth, (width, height)), True
    raise InputError(_sizes(path, "depth", depth, image) + ", or depth to exactly half of it")


def resize_depth(depth: Depth, size: tuple[int, int]) -> Depth:
    """Nearest neighbour, to (width, height): near and far are never blended."""
    if (depth.shape[1], depth.shape[0]) == size:
        return depth
    fitted = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(fitted, dtype=np.float32)


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected a folder of depth files, got a path where there is none. To fix: "
            "check the path"
        )
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() == ".png" and not path.name.startswith(".")
    ]
    if not found:
        raise InputError(
            f"{folder}: expected 16-bit PNGs of depth, got none. To fix: name another folder"
        )
    return found


def _sizes(path: Path, what: str, depth: Depth, image: Image) -> str:
    return (
        f"{path}: expected {what} of its image's size {image.shape[1]}x{image.shape[0]}, got "
        f"{depth.shape[1]}x{depth.shape[0]}. To fix: bring both to one size"
    )
