"""Older records without each image's label, name, split and domain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from driftseg.weather_sets.labels import name_in_set
from driftseg.weather_sets.places import CITYSCAPES, FOLDER, LABELS

UNKNOWN = {"digest": "", "bytes": -1, "modified": -1}
"""State of an unknown label file; the next command checks it."""


def completed(out: Path, entry: dict[str, Any], head: Mapping[str, Any]) -> dict[str, Any]:
    """An image's entry in the current form; a current entry stays unchanged.

    Name, split and domain become None; the next command sets them.

    Args:
        out: the set's folder.
        entry: of the record.
        head: the record's settings and domains.
    """
    if "label" in entry:
        return entry
    kept = {key: value for key, value in entry.items() if key != "labels"}
    made = {name: dict(state) for name, state in entry["made"].items()}
    label = entry["read"][1]["file"] if "labels" in entry else None
    if label is not None:
        for name, state in made.items():
            place = _place(out, label, head["domains"][name]["folder"], head["settings"])
            state["label"] = {"file": place, **UNKNOWN, "put": entry["labels"]}
    facts = {"name": None, "split": None, "domain": None, "label": label}
    return {**facts, **kept, "made": made}


def _place(out: Path, label: str, folder: str, settings: Mapping[str, Any]) -> str:
    """Path of a label: that of a plain folder is under its folder's own name, or in labels/."""
    size = settings["size"]
    inside = PurePath(label)
    inside = inside.with_name(name_in_set(inside.name, None if size is None else tuple(size)))
    if settings["layout"] == CITYSCAPES:
        return inside.as_posix()
    own = PurePath(folder, inside)
    if settings["layout"] == FOLDER and (".." in inside.parts or not (out / own).is_file()):
        return PurePath(folder, LABELS, inside.name).as_posix()
    return own.as_posix()
