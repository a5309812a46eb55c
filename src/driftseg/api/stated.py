"""Arguments of calls, checked as the settings of a config are: classes, cameras, depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from driftseg.config.reading import check
from driftseg.errors import InputError, commas
from driftseg.labels import Classes, LabelSpace, named_classes, named_space
from driftseg.labels.classes import read_plain
from driftseg.scenes.depth import DepthSettings
from driftseg.scenes.depth_files import DepthFilesSettings
from driftseg.scenes.depth_network import DepthNetworkSettings
from driftseg.weather.camera import CAMERAS, CITYSCAPES, Camera, CameraSettings

StatedClasses = str | Path | Sequence[str | Mapping[str, Any]]
"""A preset's name, the path of a file of classes, or a list of names or of {name, colour, ids}."""
StatedCamera = str | Mapping[str, Any] | Camera
"""A camera's name, values that differ from one, or a camera."""
StatedDepth = str | Mapping[str, Any] | DepthFilesSettings | DepthNetworkSettings
"""``none``, ``disparity``, or the settings of depth pictures or of a depth network."""


def stated_classes(
    label_space: str | LabelSpace | None, classes: StatedClasses | None
) -> Classes | None:
    """What labels mean, as either argument says; None where neither does.

    Raises:
        InputError: both are given, or there are no such classes.
    """
    if label_space is not None and classes is not None:
        raise InputError("expected label_space or classes, got both. To fix: give one of them")
    if isinstance(classes, str | Path):
        return named_classes(str(classes), "classes")
    if classes is not None:
        return read_plain({"classes": list(classes)}, "arguments")
    if isinstance(label_space, str):
        return Classes(named_space(label_space, "label_space"))
    return None if label_space is None else Classes(label_space)


def stated_camera(given: StatedCamera | None, layout: str) -> Camera:
    """The camera that weather is seen through.

    Args:
        given: values of a mapping that are left out come from its ``preset``; where it names
            none, and for None, from the dataset's own camera or else from Cityscapes'.
        layout: name of the dataset's layout.

    Raises:
        InputError: there is no such camera, or a value cannot be.
    """
    own = CAMERAS.get(layout, CITYSCAPES)
    if given is None or isinstance(given, Camera):
        return own if given is None else given
    if isinstance(given, str):
        if given not in CAMERAS:
            raise InputError(
                f"camera: expected a known camera, got {given!r}. To fix: take one of "
                f"{commas(CAMERAS)}"
            )
        return CAMERAS[given]
    settings = check(given, CameraSettings, where="camera")
    return settings.make(None if "preset" in given else own)


def stated_depth(given: StatedDepth) -> DepthSettings:
    """Where depth comes from.

    Raises:
        InputError: it is none of the sources that there are.
    """
    if isinstance(given, DepthFilesSettings | DepthNetworkSettings):
        return given
    if given == "none":
        return "none"
    if given == "disparity":
        return "disparity"
    if isinstance(given, Mapping) and "files" in given:
        return check(given, DepthFilesSettings, where="depth")
    if isinstance(given, Mapping) and "network" in given:
        return check(given, DepthNetworkSettings, where="depth")
    raise InputError(
        f"depth: expected 'none', 'disparity', a files folder or a network, got {given!r}. To "
        f"fix: give for example depth={{'files': 'depth'}} or depth={{'network': 'HUB_ID'}}"
    )
