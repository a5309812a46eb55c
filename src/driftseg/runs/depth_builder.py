"""From a config's depth to what reads it."""

from __future__ import annotations

from pathlib import Path

from driftseg.runs.depth_config import DepthPictures, DepthSettings, NetworkDepth
from driftseg.scenes.dataset import SceneFiles
from driftseg.scenes.depth_files import DepthFiles, DepthReader, DisparityFiles
from driftseg.scenes.depth_network import DepthNetwork
from driftseg.scenes.layouts import LAYOUTS
from driftseg.scenes.weather_cityscapes import scene_of
from driftseg.weather.camera import Camera


def build_depth(
    depth: DepthSettings, scenes: SceneFiles, *, kind: str, root: Path, camera: Camera
) -> DepthReader | None:
    """What reads the depth of image files; None where the road plane is all there is.

    Args:
        depth: the setting.
        scenes: that it is for.
        kind: of their dataset, as configs call it.
        root: its folder.
        camera: that depth is made with.

    Raises:
        InputError: the folder of depth pictures is missing or empty.
    """
    if isinstance(depth, DepthPictures):
        return DepthFiles(
            depth.files, scale=depth.scale, camera=camera, label_space=scenes.label_space,
            root=root, images=_shown(scenes, kind, root),
        )  # fmt: skip
    if isinstance(depth, NetworkDepth):
        return DepthNetwork(
            depth.network, output=depth.output, camera=camera, label_space=scenes.label_space
        )
    return DisparityFiles(camera, scenes.label_space) if depth == "disparity" else None


def _shown(scenes: SceneFiles, kind: str, root: Path) -> dict[Path, str]:
    """Every image of the dataset, whatever was chosen of it, and the scene that it shows."""
    layout = next((layout for layout in LAYOUTS if layout.name == kind), None)
    if layout is None:
        return {entry.image: scene_of(entry.name) for entry in scenes.entries}
    return {
        pair.image: f"{pair.split}/{scene_of(pair.name)}"
        for pair in layout.pairs(root)
        if pair.image is not None
    }
