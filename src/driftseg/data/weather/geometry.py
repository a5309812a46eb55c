"""What weather needs to know of a scene: how far things are, what is ground and what is sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftseg.data.weather.camera import Camera
from driftseg.data.weather.depth import label_ids, road_plane_depth
from driftseg.frame import Depth, Label, Scene
from driftseg.labels import LabelSpace

Mask = npt.NDArray[np.bool_]

_SKY = ("sky",)
_GROUND = (
    "road", "pavement", "sidewalk", "terrain", "ground", "parking", "road line", "drivable",
    "non-drivable",
)  # fmt: skip


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
    """A scene's own depth where it has one, otherwise the road plane's; masks from its label."""
    ground = sky = None
    if scene.label is not None:
        ground = named(scene.label, label_space, _GROUND)
        sky = named(scene.label, label_space, _SKY)
    if scene.depth is not None:
        return Geometry(scene.depth, ground, sky, source=scene.depth_source or "exact depth")
    height, width = scene.image.shape[:2]
    depth = road_plane_depth(
        height, width, camera=camera, label=scene.label, label_space=label_space
    )
    return Geometry(depth, ground, sky, source=road_plane_note(scene.label is not None))


def road_plane_note(labelled: bool) -> str:
    """What `road_plane_depth` has done, in words."""
    if labelled:
        return "road-plane depth; upright things stand where their label meets the ground"
    return "road-plane depth without labels: everything above the horizon is 200 m away"


def named(label: Label, space: LabelSpace, names: tuple[str, ...]) -> Mask:
    """Which pixels are of a class of one of these names, (H, W)."""
    return np.isin(label, label_ids(space, names))
