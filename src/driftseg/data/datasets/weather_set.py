"""A set that ``driftseg weather`` has made: all its weathers as one dataset.

Every weather is a domain by the name of its folder (``rain/100mm``), and the images that the set
was made from are the domain ``clear`` where they are still there. Names begin with the domain, so
a schedule goes through them by ``include``. Sets of Cityscapes are one tree like the published
Weather Cityscapes, and read as that.
"""

from __future__ import annotations

from pathlib import Path

from driftseg.data.datasets.cityscapes import CITYSCAPES
from driftseg.data.datasets.files import Entry, SceneFiles
from driftseg.data.datasets.folder import folder
from driftseg.data.datasets.layouts import LAYOUTS, scenes
from driftseg.data.images import Size
from driftseg.data.weather_sets.record import RECORD, read_record
from driftseg.errors import InputError
from driftseg.labels import LabelSpace

CLEAR = "clear"


def weather_set(
    root: Path,
    *,
    split: str | None = None,
    domain: str | None = None,
    label_space: LabelSpace,
    size: Size | None = None,
) -> SceneFiles:
    """The scenes of a set, by domain and then by name.

    Args:
        root: the set's folder, with its ``weather.json``.
        split: one of the original's; None takes all.
        domain: ``clear``, ``rain/100mm``, or what comes before the slash; None takes all.
        label_space: of the labels of a plain folder of images; those of a known dataset have
            theirs.
        size: (width, height) to shrink to.

    Raises:
        InputError: the folder is no finished set, is one of Cityscapes, or holds no such split
            or domain.
    """
    record = read_record(root)
    if not record:
        raise InputError(f"{root}: no {RECORD} is there; wanted a finished set of driftseg weather")
    kind = record["settings"]["layout"]
    if kind == CITYSCAPES.name:
        raise InputError(f"{root}: a set of Cityscapes is read as kind: weather_cityscapes")
    folders = {told["folder"]: root / told["folder"] for told in record["domains"].values()}
    source = root / record["settings"]["root"]
    if source.is_dir():
        folders = {CLEAR: source, **folders}
    chosen = {
        name: place
        for name, place in folders.items()
        if domain is None or f"{name}/".startswith(f"{domain}/")
    }
    if not chosen:
        raise InputError(
            f"{root}: no domain {domain!r} is there, found {list(folders)}; set domain to one of "
            "them"
        )
    parts = {
        name: _part(place, kind, split=split, label_space=label_space, size=size)
        for name, place in chosen.items()
    }
    entries = [
        Entry(f"{name}/{entry.name}", entry.image, entry.label, entry.depth, entry.camera)
        for name, part in parts.items()
        for entry in part.entries
    ]
    first = next(iter(parts.values()))
    return SceneFiles(entries, label_space=first.label_space, decode=first.decode, size=size)


def _part(
    root: Path, kind: str, *, split: str | None, label_space: LabelSpace, size: Size | None
) -> SceneFiles:
    """One weather, or the originals."""
    if kind == "folder":
        if split is not None:
            raise InputError(f"{root}: a plain folder of images has no splits: set split to null")
        labels = root / "labels"
        return folder(
            root, label_space=label_space, labels=labels if labels.is_dir() else None, size=size
        )
    layout = next(layout for layout in LAYOUTS if layout.name == kind)
    return scenes(layout, root, split=split, size=size)
