"""The classes of a weather set; its record states them if they are not a preset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftseg.errors import InputError, commas
from driftseg.images.reading import IdReader
from driftseg.labels import LABEL_SPACES, Classes
from driftseg.labels.classes import read_plain
from driftseg.scenes.dataset import SceneFiles
from driftseg.weather_sets.places import FOLDER
from driftseg.weather_sets.record import RECORD


def told_classes(scenes: SceneFiles, layout: str) -> dict[str, Any]:
    """The classes for the record's settings.

    Args:
        scenes: of the source.
        layout: their kind. Only plain folders can have their own classes.
    """
    space = scenes.label_space
    ids = scenes.decode.ids if isinstance(scenes.decode, IdReader) else None
    told: dict[str, Any] = {"label_space": space.name}
    preset = LABEL_SPACES.get(space.name)
    own = preset is None or (preset.ground, preset.sky) != (space.ground, space.sky)
    if layout == FOLDER and (own or ids is not None):
        told["classes"] = Classes(space, ids).plain()
    return told


def classes_of_set(root: Path, settings: Mapping[str, Any]) -> Classes:
    """The classes of a set.

    Args:
        root: its folder.
        settings: of its record.

    Raises:
        InputError: the record names an unknown label space.
    """
    record = str(root / RECORD)
    if "classes" in settings:
        return read_plain(settings["classes"], record)
    name = settings["label_space"]
    if name not in LABEL_SPACES:
        raise InputError(
            f"{record}: expected a known label space, got {name!r}. To fix: take one of "
            f"{commas(LABEL_SPACES)}"
        )
    return Classes(LABEL_SPACES[name])
