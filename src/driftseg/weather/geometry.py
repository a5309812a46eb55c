"""The geometry of a scene for weather: depth, ground and sky."""

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
    street_depth,
)
from driftseg.weather.smoothing import along_edges

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

NO_GROUND = "; labels say no more, since no class is ground (name some: ground: [...])"
"""Note in records for labels without a ground class."""


@dataclass(frozen=True)
class Geometry:
    """Depth of each pixel, and masks of ground and sky."""

    depth: Depth
    """Metres along the optical axis, (H, W), infinite for sky."""
    ground: Mask | None = None
    """(H, W); None if unknown."""
    sky: Mask | None = None
    """(H, W); None if unknown."""
    sky_share: Depth | None = None
    """Share of sky in each pixel, (H, W), in 0 to 1, with the gaps between branches; None if it
    equals ``sky``."""
    lamps: Mask | None = None
    """Objects that carry lamps, (H, W); None if unknown."""
    source: str = "depth handed in"
    """Source of the depth in words, for records."""


def geometry_of(scene: Scene, camera: Camera, label_space: LabelSpace) -> Geometry:
    """Geometry with the scene's own depth if it has one, otherwise with the road plane's.

    Ground and sky come from the label. Without a label they come from a measured depth: ground is
    within a sixth of the depth of the fitted road plane. A label without any labelled pixel
    (Cityscapes' test split) counts as no label. The same holds if no class is ground.
    """
    label = scene.label
    groundless = label is not None and not label_space.ground_ids
    if label is not None and (groundless or (label == IGNORE).all()):
        label = None
    ground = sky = lamps = None
    if label is not None:
        lamps = np.isin(label, label_space.lamp_ids)
        ground = np.isin(label, label_space.ground_ids)
        sky = np.isin(label, label_space.sky_ids) if label_space.sky_ids else None
    height, width = scene.image.shape[:2]
    if scene.depth is not None:
        if label is None:
            plane = measured_plane(scene.depth, camera=camera)
            below = plane < FARTHEST
            ground = below & (np.abs(scene.depth - plane) < plane / 6)
            sky = np.isinf(scene.depth)
        source = scene.depth_source or "exact depth"
        return Geometry(scene.depth, ground, sky, lamps=lamps, source=source)
    light = np.asarray(scene.image / np.float32(255), np.float32)
    if label is None:
        shows = guessed_sky(light, camera)
        depth = with_gaps(refined(street_depth(height, width, camera=camera), scene.image), shows)
    else:
        depth = road_plane_depth(height, width, camera=camera, label=label, label_space=label_space)
        shows = None
        if sky is not None and sky.any():
            shows = gaps_in(light, sky, np.isin(label, label_space.porous_ids))
        depth = refined(depth, scene.image)
        if shows is not None:
            depth = with_gaps(depth, shows)
    note = road_plane_note(label is not None) + (NO_GROUND if groundless else "")
    return Geometry(depth, ground, sky, shows, lamps, source=note)


def sky_share(geometry: Geometry) -> Floats:
    """Share of sky in each pixel, (H, W), in 0 to 1; 0 if unknown."""
    if geometry.sky_share is not None:
        return geometry.sky_share
    if geometry.sky is not None:
        return geometry.sky.astype(np.float32)
    if np.isinf(geometry.depth).any():
        return np.isinf(geometry.depth).astype(np.float32)
    return np.zeros(geometry.depth.shape, np.float32)


def with_gaps(depth: Depth, shows: Depth) -> Depth:
    """Mixes sky into a guessed depth by the inverse depth; infinite where a pixel is all sky."""
    inverse = (1 - shows) / np.maximum(depth, 0.1)
    far = np.where(inverse > 0, 1 / np.maximum(inverse, 1e-9), np.inf)
    return np.asarray(np.where(shows >= 1, np.inf, far), np.float32)


def gaps_in(light: Floats, sky: Mask, porous: Mask) -> Floats:
    """Share of sky in each pixel, (H, W): from labels, and from colour in porous classes.

    A label encloses a whole crown, pole or sign. Gaps between branches have the colour of the
    image's own sky; the distance to it is measured in units of its spread in each channel.

    Args:
        light: the picture, (H, W, 3), in 0 to 1.
        sky: pixels that labels call sky.
        porous: pixels of classes through which the sky is visible.
    """
    found = light[sky]
    middle = np.median(found, axis=0)
    spread = np.maximum(np.abs(found - middle).mean(axis=0), 0.05)
    away = np.sqrt((((light - middle) / spread) ** 2).mean(axis=2))
    alike = np.clip((4.0 - away) / 2.0, 0, 1).astype(np.float32)
    return np.where(sky, np.float32(1), np.where(porous, alike, np.float32(0)))


def guessed_sky(light: Floats, camera: Camera) -> Floats:
    """Guessed share of sky in each pixel, (H, W), without labels.

    Sky is above the horizon, as bright and as blue or grey as the brightest pixels of the upper
    rows, and connected with the upper edge of the picture.
    """
    height, width = light.shape[:2]
    bright = light.max(axis=2)
    blue = light[..., 2] - light[..., 0]
    top = bright[: max(1, height // 8)]
    level = float(np.quantile(top, 0.9))
    if level < 0.35:
        return np.zeros((height, width), np.float32)
    near = np.clip((bright - 0.72 * level) / (0.13 * level), 0, 1)
    near *= np.clip((blue + 0.12) / 0.08, 0, 1)  # walls in the sun are warm
    grey = cv2.GaussianBlur(light.mean(axis=2), (0, 0), 1.0)
    rough = cv2.GaussianBlur(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), (0, 0), 0.006 * width)
    calm = np.clip((0.05 - rough) / 0.03, 0, 1)
    rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    above = np.clip((camera.horizon + 0.02 - rows) / 0.05, 0, 1)
    likely = (near * above).astype(np.float32)
    sure = (likely * calm > 0.5).astype(np.uint8)
    # Calm regions must reach the upper edge; rough ones (branches) count beside such a region.
    _, parts = cv2.connectedComponents(sure, connectivity=4)
    reaching = np.setdiff1d(np.unique(parts[: max(1, height // 50)]), [0])
    region = np.isin(parts, reaching).astype(np.float32)
    reach = max(3, round(0.08 * width)) | 1
    beside = cv2.blur(cv2.dilate(region, np.ones((reach, reach), np.uint8)), (reach, reach))
    return np.asarray(np.clip(np.maximum(region, likely * beside) * above, 0, 1), np.float32)


def refined(depth: Depth, image: Image) -> Depth:
    """Aligns a depth guessed from labels with edges of the picture; infinite stays infinite.

    Labels enclose crowns, not branches, and the guessed depth has steps between neighbours. The
    inverse depth is smoothed within regions of similar colour.
    """
    inverse = np.where(np.isinf(depth), 0, 1 / np.maximum(depth, 0.1)).astype(np.float32)
    light = np.asarray(image / np.float32(255), np.float32)
    if inverse.max() == 0:
        return depth  # only sky
    smooth = along_edges(inverse, light, radius=0.03 * image.shape[1])
    found = 1 / np.clip(smooth, 1 / FARTHEST, inverse.max())
    return np.asarray(np.where(np.isinf(depth), depth, found), np.float32)


def road_plane_note(labelled: bool) -> str:
    """Describes the source of `road_plane_depth` for records."""
    if labelled:
        return "road-plane depth; upright things stand where their label meets the ground"
    return "depth of a street guessed without labels: a road between two walls, and sky"


def known_ground(geometry: Geometry, wanted_by: str) -> Mask:
    """The ground mask; InputError if it is unknown."""
    if geometry.ground is None:
        raise InputError(
            f"{wanted_by}: expected labels or measured depth that tell what is ground, got none "
            "that do. To fix: give one of them, name the classes that are ground (ground: [...] "
            f"beside classes), or leave {wanted_by} out"
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
        whole = np.pad(coarse, 4, mode="wrap")  # makes the tile periodic
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
