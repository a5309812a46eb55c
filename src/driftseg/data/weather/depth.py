"""Depth: what weather needs of it, and a road plane for datasets that have none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from driftseg.data.weather.camera import Camera
from driftseg.errors import InputError
from driftseg.frame import Depth, Image, Label
from driftseg.labels import LabelSpace

Floats = npt.NDArray[np.float32]

FARTHEST = 200.0
"""Metres: where the road plane meets the horizon, this is used."""

SKY = ("sky",)
"""Names of classes that are infinitely far."""
GROUND = (
    "road", "pavement", "sidewalk", "terrain", "road line", "curb", "drivable", "non-drivable",
    "drivable fallback", "non-drivable fallback",
)  # fmt: skip
"""Names of classes that lie in the road plane."""


def road_plane_depth(
    height: int,
    width: int,
    *,
    camera: Camera,
    label: Label | None = None,
    label_space: LabelSpace | None = None,
) -> Depth:
    """Approximate metric depth (H, W), infinite where there is sky.

    The road is a plane ``camera.height`` below the camera, its horizon at ``camera.horizon``.
    Without labels everything above the horizon is as far as ``FARTHEST``, so weather veils it like
    the far end of the road. With labels, a column's upright things stand where their lowest
    pixel meets the ground, and sky is infinitely far. Records name which of both was used.

    Args:
        height: rows.
        width: columns.
        camera: its height above the road, focal length and horizon.
        label: class ids, (H, W).
        label_space: what they mean; needed with a label.
    """
    rows = np.arange(height, dtype=np.float64) + 0.5
    below = np.maximum(rows - camera.horizon * height, 0.0)
    focal = camera.focal_pixels(width)
    scale = camera.height * focal
    plane = np.minimum(scale / np.maximum(below, scale / FARTHEST), FARTHEST)
    depth = np.repeat(plane[:, None], width, axis=1).astype(np.float32)
    if label is None:
        return depth
    if label_space is None:
        raise ValueError("a label needs the label space that says what its ids mean")
    sky = np.isin(label, label_ids(label_space, SKY))
    upright = ~sky & ~np.isin(label, label_ids(label_space, GROUND))
    # From the bottom up: an upright pixel is as far as the pixel it stands on.
    for row in range(height - 2, -1, -1):
        same = upright[row] & ((label[row] == label[row + 1]) | (depth[row] > depth[row + 1]))
        depth[row] = np.where(same & ~sky[row + 1], depth[row + 1], depth[row])
    depth[sky] = np.inf
    return depth


def check_depth(depth: Depth, image: Image) -> None:
    """Raises unless the depth has the image's size and nothing but distances in it."""
    if depth.shape != image.shape[:2]:
        raise InputError(
            f"the depth is {depth.shape[1]}x{depth.shape[0]}, its image "
            f"{image.shape[1]}x{image.shape[0]}; both must have one size"
        )
    if np.isnan(depth).any():
        raise InputError("the depth holds NaN; mark what is unknown or sky as infinite")
    if (depth < 0).any():
        raise InputError("the depth holds negative metres; wanted 0 or more, infinite for sky")


def distance_along_rays(depth: Depth, camera: Camera) -> Depth:
    """Metres from the lens to what each pixel shows, (H, W), from depth along the optical axis.

    The optical axis goes through the middle of the image: a pixel u right and v down of it, at
    a focal length of f pixels, is sqrt(1 + (u / f)^2 + (v / f)^2) times as far as it is deep.
    """
    height, width = depth.shape
    focal = camera.focal_pixels(width)
    across = (np.arange(width) - (width - 1) / 2) / focal
    down = (np.arange(height) - (height - 1) / 2) / focal
    slant = np.sqrt(1 + across[None, :] ** 2 + down[:, None] ** 2)
    return np.asarray(depth * slant, dtype=np.float32)


def label_ids(space: LabelSpace, names: Sequence[str]) -> list[int]:
    """The ids of the classes that have one of these names."""
    return [i for i, name in enumerate(space.classes) if name in names]
