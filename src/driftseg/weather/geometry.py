"""What weather needs to know of a scene: how far things are, what is ground and what is sky."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError
from driftseg.frame import Depth, Image, Scene
from driftseg.labels import IGNORE, LabelSpace
from driftseg.weather.camera import Camera
from driftseg.weather.depth import (
    FARTHEST,
    measured_plane,
    road_plane_depth,
)
from driftseg.weather.smoothing import along_edges

Mask = npt.NDArray[np.bool_]

NO_GROUND = "; labels say no more, since no class is ground (name some: ground: [...])"
"""What records say of labels that cannot tell where things stand."""


@dataclass(frozen=True)
class Geometry:
    """How far each pixel is, and which of them are ground and sky."""

    depth: Depth
    """Metres along the optical axis, (H, W), infinite for sky."""
    ground: Mask | None = None
    """(H, W); None where nothing tells."""
    sky: Mask | None = None
    """(H, W); None where nothing tells."""
    source: str = "depth handed in"
    """Where the depth comes from, in words, for records."""


def geometry_of(scene: Scene, camera: Camera, label_space: LabelSpace) -> Geometry:
    """A scene's own depth where it has one, otherwise the road plane's.

    What is ground and sky is taken from the label, or, where there is only a measured depth, from
    that: ground lies within a sixth of the depth of the road plane that it shows. A label without
    a single labelled pixel (Cityscapes' test split) counts as none, and so does every label where
    no class is ground: nothing would say where things stand.
    """
    label = scene.label
    groundless = label is not None and not label_space.ground_ids
    if label is not None and (groundless or (label == IGNORE).all()):
        label = None
    ground = sky = None
    if label is not None:
        ground = np.isin(label, label_space.ground_ids)
        sky = np.isin(label, label_space.sky_ids) if label_space.sky_ids else None
    height, width = scene.image.shape[:2]
    if scene.depth is not None:
        if label is None:
            plane = measured_plane(scene.depth, camera=camera)
            below = plane < FARTHEST
            ground = below & (np.abs(scene.depth - plane) < plane / 6)
            sky = np.isinf(scene.depth)
        return Geometry(scene.depth, ground, sky, source=scene.depth_source or "exact depth")
    depth = road_plane_depth(height, width, camera=camera, label=label, label_space=label_space)
    if label is not None:
        depth = refined(depth, scene.image)
    note = road_plane_note(label is not None)
    return Geometry(depth, ground, sky, source=note + (NO_GROUND if groundless else ""))


def refined(depth: Depth, image: Image) -> Depth:
    """A depth guessed from labels, made to follow the picture; infinite stays infinite.

    Labels are drawn around crowns, not around branches, and what stands side by side stands at
    steps. The inverse depth is smoothed within what looks alike.
    """
    inverse = np.where(np.isinf(depth), 0, 1 / np.maximum(depth, 0.1)).astype(np.float32)
    light = np.asarray(image / np.float32(255), np.float32)
    if inverse.max() == 0:
        return depth  # nothing but sky
    smooth = along_edges(inverse, light, radius=0.03 * image.shape[1])
    found = 1 / np.clip(smooth, 1 / FARTHEST, inverse.max())
    return np.asarray(np.where(np.isinf(depth), depth, found), np.float32)


def road_plane_note(labelled: bool) -> str:
    """What `road_plane_depth` has done, in words."""
    if labelled:
        return "road-plane depth; upright things stand where their label meets the ground"
    return "road-plane depth without labels: everything above the horizon is 200 m away"


def known_ground(geometry: Geometry, wanted_by: str) -> Mask:
    """What is ground; InputError where nothing tells."""
    if geometry.ground is None:
        raise InputError(
            f"{wanted_by}: nothing tells what is ground in these images; give labels or a "
            "measured depth, name the classes that are ground (ground: [...] beside classes), or "
            f"leave {wanted_by} out"
        )
    return geometry.ground


def ground_noise(
    depth: Depth, camera: Camera, generator: np.random.Generator, *, metres: float
) -> npt.NDArray[np.float32]:
    """Random patches that lie on the ground, (H, W), evenly spread over 0 to 1.

    Args:
        depth: metres, (H, W).
        camera: its focal length.
        generator: draws the pattern.
        metres: size of a patch.
    """
    cells = 128
    tile = np.zeros((cells, cells), np.float32)
    for part in (1, 2, 4):
        coarse = generator.random((cells // part, cells // part), dtype=np.float32)
        whole = np.pad(coarse, 4, mode="wrap")  # so that the tile goes on where it ends
        fine = cv2.resize(whole, None, fx=part, fy=part, interpolation=cv2.INTER_CUBIC)
        margin = 4 * part
        tile += np.float32(part) * fine[margin:-margin, margin:-margin].astype(np.float32)
    spread = np.argsort(np.argsort(tile, axis=None)).reshape(tile.shape) / (tile.size - 1)
    far = np.minimum(depth, np.float32(FARTHEST)).astype(np.float32)
    aside = (np.arange(depth.shape[1], dtype=np.float32) - depth.shape[1] / 2)[None, :]
    across = aside * far / np.float32(camera.focal_pixels(depth.shape[1]))
    scale = np.float32(4 / metres)  # the largest patches are four cells
    columns, rows = (np.mod(side * scale, cells).astype(np.float32) for side in (across, far))
    found = cv2.remap(
        spread.astype(np.float32), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    return np.asarray(np.clip(found, 0, 1), np.float32)
