"""Depth for datasets that have none: a road plane, and labels where they are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from driftseg.data.weather.camera import Camera
from driftseg.frame import Depth, Label
from driftseg.labels import LabelSpace

FARTHEST = 200.0
"""Metres: where the road plane meets the horizon, this is used."""

_SKY = ("sky",)
_GROUND = ("road", "pavement", "sidewalk", "terrain")


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
    Without labels everything above the horizon is as far as ``FARTHEST``, so rain veils it like
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
    sky = np.isin(label, _ids(label_space, _SKY))
    upright = ~sky & ~np.isin(label, _ids(label_space, _GROUND))
    # From the bottom up: an upright pixel is as far as the pixel it stands on.
    for row in range(height - 2, -1, -1):
        same = upright[row] & ((label[row] == label[row + 1]) | (depth[row] > depth[row + 1]))
        depth[row] = np.where(same & ~sky[row + 1], depth[row + 1], depth[row])
    depth[sky] = np.inf
    return depth


def _ids(space: LabelSpace, names: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(space.classes) if name in names]
