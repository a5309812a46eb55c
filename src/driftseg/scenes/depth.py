"""The setting for the source of depth of image files, and its readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from driftseg.labels import LabelSpace
from driftseg.scenes.depth_files import DepthFilesSettings, DepthReader, DisparityFiles
from driftseg.scenes.depth_network import DepthNetworkSettings
from driftseg.weather.camera import Camera

DepthSettings = Literal["none", "disparity"] | DepthFilesSettings | DepthNetworkSettings
"""none: the road plane, with labels if there are any. disparity: Cityscapes' disparity with its
camera files."""


def make_depth(
    settings: DepthSettings,
    camera: Camera,
    label_space: LabelSpace,
    *,
    root: Path,
    images: Callable[[], Mapping[Path, str]],
) -> DepthReader | None:
    """The reader of depth of image files; None if depth is the road plane.

    Args:
        settings: the source of depth.
        camera: used to make depth.
        label_space: what labels mean.
        root: folder of the dataset.
        images: gives every image of the dataset, chosen or not, and its scene; called only if depth
            files are found by name.

    Raises:
        InputError: the folder of depth pictures is missing or empty.
    """
    if isinstance(settings, DepthFilesSettings):
        return settings.make(camera, label_space, root=root, images=images)
    if isinstance(settings, DepthNetworkSettings):
        return settings.make(camera, label_space)
    return DisparityFiles(camera, label_space) if settings == "disparity" else None
