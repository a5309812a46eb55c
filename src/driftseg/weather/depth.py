"""Depth for weather, and a road plane for datasets without depth."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError
from driftseg.frame import Depth, Image, Label
from driftseg.labels import LabelSpace
from driftseg.weather.camera import Camera

Floats = npt.NDArray[np.float32]

FARTHEST = 200.0
"""Metres: the depth of the road plane at the horizon."""
WALLS = 9.0
"""Metres from the camera to the walls on either side of an unknown street."""
FEWEST = 50
"""Least number of measured pixels to fit a road plane to."""


def road_plane_depth(
    height: int,
    width: int,
    *,
    camera: Camera,
    label: Label | None = None,
    label_space: LabelSpace | None = None,
) -> Depth:
    """Approximate metric depth (H, W), infinite where there is sky.

    The road is a plane ``camera.height`` metres below the camera, its horizon at
    ``camera.horizon``. Without labels, everything above the horizon is ``FARTHEST`` metres away.
    With labels, the upright objects of a column stand where their lowest pixel meets the ground,
    and sky is infinitely far. Records state which of the two was used.

    Args:
        height: rows.
        width: columns.
        camera: its height above the road, focal length and horizon.
        label: class ids, (H, W).
        label_space: of the label; needed with a label.
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
        raise ValueError(
            "expected the label space of the label, got None. To fix: give label_space"
        )
    sky = np.isin(label, label_space.sky_ids)
    upright = ~sky & ~np.isin(label, label_space.ground_ids)
    street = street_depth(height, width, camera=camera)
    # From the bottom up: an upright pixel is as far as the pixel it stands on. An object above
    # another object stands behind it: as far as the street's walls there, and at least as far as
    # that object.
    for row in range(height - 2, -1, -1):
        same = upright[row] & ((label[row] == label[row + 1]) | (depth[row] > depth[row + 1]))
        behind = upright[row] & upright[row + 1] & (label[row] != label[row + 1])
        stands = np.where(behind, np.maximum(depth[row + 1], street[row]), depth[row + 1])
        depth[row] = np.where(same & ~sky[row + 1], stands, depth[row])
    depth[sky] = np.inf
    return depth


def street_depth(height: int, width: int, *, camera: Camera) -> Depth:
    """Approximate metric depth (H, W) of an unknown street.

    The road is a plane, as in `road_plane_depth`. Walls stand `WALLS` metres to the left and right,
    up to the horizon. The depth therefore has no steps.
    """
    plane = road_plane_depth(height, width, camera=camera)
    aside = np.abs(np.arange(width) + 0.5 - width / 2)
    walls = WALLS * camera.focal_pixels(width) / np.maximum(aside, 1e-3)
    return np.asarray(np.minimum(plane, walls[None, :]), np.float32)


def measured_plane(depth: Depth, *, camera: Camera) -> Depth:
    """The road plane fitted to a measured depth, (H, W), for any height and tilt of the camera.

    The inverse depth of a plane is affine in the row. A line is fitted to the row medians of the
    lower middle of the image, where the road is; cars beside the road do not count. Its slope is
    the median of the slopes between all rows (Theil 1950, Sen 1968), so a car ahead has little
    effect. If the fit gives no road (too few measured pixels, or no horizon in the upper four
    fifths), the result is the camera's own plane.

    Args:
        depth: metres, (H, W); NaN or infinite where nothing was measured.
        camera: gives the road plane if the fit gives none.
    """
    height, width = depth.shape
    share = (np.arange(height) + 0.5) / height
    low = (share > 0.5 + camera.horizon / 2) & (share < 0.9)
    wedge = depth[low][:, np.abs((np.arange(width) + 0.5) / width - 0.5) < 0.2]
    known = np.isfinite(wedge) & (wedge > 0)
    if known.sum() < FEWEST:
        return road_plane_depth(height, width, camera=camera)
    measured = known.any(axis=1)
    inverse = np.nanmedian(1 / np.where(known, wedge, np.nan)[measured].astype(np.float64), axis=1)
    rows = np.flatnonzero(low)[measured] + 0.5
    apart = np.subtract.outer(rows, rows)
    later = apart > 0
    if not later.any():
        return road_plane_depth(height, width, camera=camera)
    slope = float(np.median(np.subtract.outer(inverse, inverse)[later] / apart[later]))
    offset = float(np.median(inverse - slope * rows))
    horizon = -offset / slope if slope > 0 else math.inf
    if not 0 <= horizon < 0.8 * height:
        return road_plane_depth(height, width, camera=camera)
    line = np.maximum(slope * (np.arange(height) + 0.5) + offset, 1 / FARTHEST)
    return np.repeat((1 / line)[:, None], width, axis=1).astype(np.float32)


def check_depth(depth: Depth, image: Image) -> None:
    """Raises InputError unless the depth has the image's size and holds distances only."""
    if depth.shape != image.shape[:2]:
        raise InputError(
            f"depth: expected its image's size {image.shape[1]}x{image.shape[0]}, got "
            f"{depth.shape[1]}x{depth.shape[0]}. To fix: bring both to one size"
        )
    if np.isnan(depth).any():
        raise InputError(
            "depth: expected metres of 0 or more, got NaN. To fix: set sky and unknown depth to "
            "infinity"
        )
    if (depth < 0).any():
        raise InputError(
            f"depth: expected metres of 0 or more, got {depth.min():g}. To fix: set sky and "
            "unknown depth to infinity"
        )


def distance_along_rays(depth: Depth, camera: Camera) -> Depth:
    """Metres from the lens to each pixel's object, (H, W), from depth along the optical axis.

    The optical axis goes through the middle of the image. A pixel u right of it and v below it, at
    a focal length of f pixels, is sqrt(1 + (u / f)^2 + (v / f)^2) times as far as its depth.
    """
    height, width = depth.shape
    focal = camera.focal_pixels(width)
    across = (np.arange(width) - (width - 1) / 2) / focal
    down = (np.arange(height) - (height - 1) / 2) / focal
    slant = np.sqrt(1 + across[None, :] ** 2 + down[:, None] ** 2)
    return np.asarray(depth * slant, dtype=np.float32)
