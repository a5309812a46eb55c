"""A set made by ``driftseg weather``: all its domains as one dataset.

Each domain has the name of its folder (``rain/100mm``). The source images are the domain ``clear``,
if they still exist. Names begin with the domain, so a schedule selects them by ``include``. The
list of images and labels comes from the set's record, not from the folders. Sets of Cityscapes are
one tree like the published Weather Cityscapes and are read as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from driftseg.errors import InputError, commas
from driftseg.images.listing import natural
from driftseg.images.reading import IdReader, Size, read_ids
from driftseg.labels import Classes, ClassesSettings, LabelSpace, named_space
from driftseg.scenes.cityscapes import CITYSCAPES
from driftseg.scenes.dataset import Entry, SceneFiles
from driftseg.scenes.datasets import layouts
from driftseg.scenes.layout import belongs, found_scenes
from driftseg.scenes.selection import SelectedSettings
from driftseg.weather_sets.classes import classes_of_set
from driftseg.weather_sets.places import FOLDER
from driftseg.weather_sets.record import RECORD, read_finished

CLEAR = "clear"


class WeatherSetSettings(SelectedSettings, ClassesSettings):
    """A set made by ``driftseg weather``, with its source images as ``clear``."""

    kind: Literal["weather_set"] = "weather_set"
    root: Path
    split: str | None = None
    """Split of the original; null takes all."""
    domain: str | None = None
    """``clear``, ``rain/100mm``, or the part before a slash; null takes all."""
    label_space: str | None = None
    """null is the label space of the set; only a set without labels may have another, or
    ``classes``."""

    def folder(self) -> Path:
        """The set's folder."""
        return self.root

    def files(self) -> SceneFiles:
        """All scenes of the split and domain."""
        classes = self.stated_classes()
        space = None if classes is None else classes.space
        if space is None and self.label_space is not None:
            space = named_space(self.label_space, "label_space")
        return weather_set(
            self.root,
            split=self.split,
            domain=self.domain,
            label_space=space,
            size=self.size,
        )


@dataclass(frozen=True)
class _Part:
    """One domain, or the original images."""

    root: Path
    files: dict[Path, Path | None]
    """Images, each with its label."""


def weather_set(
    root: Path,
    *,
    split: str | None = None,
    domain: str | None = None,
    label_space: LabelSpace | None = None,
    size: Size | None = None,
) -> SceneFiles:
    """The scenes of a set, by domain and then in natural order of names.

    Args:
        root: the set's folder, with its ``weather.json``.
        split: one of the original's; None takes all.
        domain: ``clear``, ``rain/100mm``, or the part before a slash; None takes all.
        label_space: None is that of the set, the only valid one if the set has labels; a set
            without labels may have another.
        size: (width, height) to shrink to.

    Raises:
        InputError: the folder is not a finished set, is a set of Cityscapes, has no such split or
            domain, or its labels have another label space.
    """
    record = read_finished(root)
    kind = record["settings"]["layout"]
    if kind == CITYSCAPES.name:
        raise InputError(
            f"{root}: expected kind: weather_cityscapes for a set of Cityscapes, got kind: "
            "weather_set. To fix: set kind to weather_cityscapes"
        )
    told = _classes(root, record, label_space)
    found = _parts(root, record)
    chosen = {name: part for name, part in found.items() if belongs(name, domain)}
    if not chosen:
        raise InputError(
            f"{root}: expected a domain of the set, got {domain!r}. To fix: set domain to one of "
            f"{commas(found)}"
        )
    read = {name: _read(part, kind, split, told, size) for name, part in chosen.items()}
    entries = [
        replace(entry, name=f"{name}/{entry.name}")
        for name, scenes_there in read.items()
        for entry in scenes_there.entries
    ]
    first = next(iter(read.values()))
    return SceneFiles(entries, label_space=first.label_space, decode=first.decode, size=size)


def _classes(root: Path, record: Mapping[str, Any], asked: LabelSpace | None) -> Classes:
    labelled = any(entry["label"] is not None for entry in record["images"].values())
    if asked is not None and not labelled:
        return Classes(asked)
    own = classes_of_set(root, record["settings"])
    if asked is not None and asked != own.space:
        raise InputError(
            f"{root}: expected the set's own label space, {own.space.title} ({RECORD}), got "
            f"label_space {asked.title}. To fix: set label_space to null"
        )
    return own


def _parts(root: Path, record: Mapping[str, Any]) -> dict[str, _Part]:
    """The original images that still exist, and all domains with images."""
    source = root / record["settings"]["root"]
    images = record["images"]
    clear = {
        source / file: None if entry["label"] is None else source / entry["label"]
        for file, entry in images.items()
        if (source / file).is_file()
    }
    parts = {CLEAR: _Part(source, clear)}
    for name, told in record["domains"].items():
        made = [entry["made"][name] for entry in images.values() if name in entry["made"]]
        parts[told["folder"]] = _Part(
            root / told["folder"],
            {root / m["file"]: root / m["label"]["file"] if "label" in m else None for m in made},
        )
    return {name: part for name, part in parts.items() if part.files}


def _read(
    part: _Part, kind: str, split: str | None, classes: Classes, size: Size | None
) -> SceneFiles:
    if kind != FOLDER:
        layout = next(layout for layout in layouts() if layout.name == kind)
        return found_scenes(layout, part.root, split=split, size=size, only=part.files)
    if split is not None:
        raise InputError(
            f"{part.root}: expected no split, because a plain folder of images has none, got one. "
            "To fix: set split to null"
        )
    files = sorted(part.files.items(), key=lambda file: natural(file[0]))
    entries = [Entry(image.stem, image, label) for image, label in files]
    decode = read_ids if classes.ids is None else IdReader(classes.ids)
    return SceneFiles(entries, label_space=classes.space, decode=decode, size=size)
