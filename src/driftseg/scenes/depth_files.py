"""Depth from files: stereo disparity, or 16-bit pictures of metres.

A `DepthReader` reads depth. Weather needs metres at every pixel, so holes are filled
(`fill_holes`). A text with each depth states its source.
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
"""Describes `fill_holes` for records."""


@dataclass(frozen=True)
class View:
    """One image as read from its file, and the files that may give its depth."""

    image_file: Path
    image: Image
    """(H, W, 3)."""
    label: Label | None = None
    """(H, W)."""
    depth_file: Path | None = None
    """The dataset's own disparity or depth picture, if it has one."""
    camera_file: Path | None = None
    """Cityscapes' calibration, if there is one."""


class DepthReader(Protocol):
    """Reads the depth of images from one source."""

    def read(self, view: View) -> tuple[Depth, str]:
        """Metres along the optical axis, (H, W), infinite for sky, and their source in words.

        Raises:
            InputError: a file for the depth is missing or does not fit the image.
            UnreadableError: a file of it cannot be decoded.
        """
        ...

    def files(self, image: Path, depth: Path | None, camera: Path | None) -> list[Path]:
        """The files for an image's depth; the arguments are those of its `View`."""
        ...


@dataclass(frozen=True)
class Stereo:
    """Calibration that converts disparity to metres."""

    baseline: float
    """Distance between the two lenses in metres."""
    focal: float
    """Focal length in pixels."""


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
    """Metres from Cityscapes' disparity pictures, (H, W); NaN without a measurement.

    Disparity in pixels is (level - 1) / 256 for levels above 0 (Cityscapes' README). Depth is
    baseline times focal length divided by disparity.
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

    Sky is infinite. It comes from the label; without a label or a sky class, it is every hole above
    the horizon. Holes in the ground get the depth of the measured road plane. Any other hole gets
    the depth of the nearest measured pixel below it in its column, because objects stand on what is
    below them. If there is none (the car's own hood), it gets the road plane's depth.

    Args:
        depth: metres, (H, W), NaN if unknown.
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
        """Depth from the dataset's own disparity of the image's size."""
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
    """16-bit PNGs, named like their images: metres are levels / scale, 0 is unknown."""

    files: Path
    """Folder of the PNGs; folders in it are searched, too."""
    scale: Annotated[float, Field(gt=0)] = 256.0
    """Levels per metre; the depth published with Weather Cityscapes has 256."""

    def make(
        self,
        camera: Camera,
        label_space: LabelSpace,
        *,
        root: Path,
        images: Callable[[], Mapping[Path, str]],
    ) -> DepthFiles:
        """The reader; ``images`` gives all images of the dataset, see `DepthFiles`."""
        return DepthFiles(
            self.files, scale=self.scale, camera=camera, label_space=label_space, root=root,
            images=images(),
        )  # fmt: skip


class DepthFiles:
    """16-bit PNGs of metres, with folders and names like those of their images.

    Args:
        folder: searched with all its folders, once.
        scale: levels per metre; level 0 means unknown.
        camera: its road plane fills holes.
        label_space: what labels mean.
        root: folder to which the paths of images are relative.
        images: all images of the dataset, also those that are not read, with their scenes;
            `match_depths` explains why.

    Raises:
        InputError: the folder is missing or empty.
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
        """Depth of the image's size; depth of exactly half that size is enlarged."""
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
        """The depth picture; InputError if it is ambiguous."""
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
    """The depth at the image's size, and whether the file has half that size.

    The published depth of Weather Cityscapes has half the size of its images. Depths are repeated,
    not interpolated, because a mean of near and far is wrong.
    """
    height, width = image.shape[:2]
    if depth.shape == (height, width):
        return depth, False
    if (2 * depth.shape[0], 2 * depth.shape[1]) == (height, width):
        return resize_depth(depth, (width, height)), True
    raise InputError(_sizes(path, "depth", depth, image) + ", or depth to exactly half of it")


def resize_depth(depth: Depth, size: tuple[int, int]) -> Depth:
    """Nearest neighbour, to (width, height); near and far are never mixed."""
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
