"""From a config's depth to what reads it."""

from __future__ import annotations

from driftseg.data.weather.camera import Camera
from driftseg.data.weather.depth_files import DepthFiles, DepthReader, DisparityFiles
from driftseg.data.weather.depth_network import DepthNetwork
from driftseg.labels import LabelSpace
from driftseg.runs.depth_config import DepthPictures, DepthSettings, NetworkDepth


def build_depth(
    depth: DepthSettings, *, camera: Camera, label_space: LabelSpace
) -> DepthReader | None:
    """What reads the depth of image files; None where the road plane is all there is.

    Raises:
        InputError: the folder of depth pictures is missing or empty.
    """
    if isinstance(depth, DepthPictures):
        return DepthFiles(depth.files, scale=depth.scale, camera=camera, label_space=label_space)
    if isinstance(depth, NetworkDepth):
        return DepthNetwork(
            depth.network, output=depth.output, camera=camera, label_space=label_space
        )
    return DisparityFiles(camera, label_space) if depth == "disparity" else None
