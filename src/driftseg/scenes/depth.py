"""Where the depth of image files comes from: the setting, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from driftseg.labels import LabelSpace
from driftseg.scenes.depth_files import DepthFilesSettings, DepthReader, DisparityFiles
from driftseg.scenes.depth_network import DepthNetworkSettings
from driftseg.weather.camera import Camera

DepthSettings = Literal["none", "disparity"] | DepthFilesSettings | DepthNetworkSettings
"""none: the road plane and, where there are labels, these; disparity: Cityscapes' own, with its
camera files."""


def make_depth(
    settings: DepthSettings,
    camera: Camera,
    label_space: LabelSpace,
    *,
    root: Path,
    images: Callable[[], Mapping[Path, str]],
) -> DepthReader | None:
    """What reads the depth of image files; None where the road plane is all there is.

    Args:
        settings: where depth comes from.
        camera: that depth is made with.
        label_space: what labels mean.
        root: folder of the dataset.
        images: gives every image of the dataset, whatever was chosen of it, and the scene that
            it shows; called only where depth is looked for by name.

    Raises:
        InputError: the folder of depth pictures is missing or empty.
    """
    if isinstance(settings, DepthFilesSettings):
        return settings.make(camera, label_space, root=root, images=images)
    if isinstance(settings, DepthNetworkSettings):
        return settings.make(camera, label_space)
    return DisparityFiles(camera, label_space) if settings == "disparity" else None
