"""Decides how to check a folder: as a layout, a folder of images or a weather set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from driftseg.checking.examine import Examiner
from driftseg.errors import InputError, commas
from driftseg.images.listing import list_images, natural
from driftseg.images.reading import IdReader, read_ids
from driftseg.labels import CAMVID11, Classes, LabelMapping, LabelSpace, find_mapping
from driftseg.scenes.datasets import layouts, recognise
from driftseg.scenes.folder import classes_of_folder, label_files
from driftseg.scenes.layout import Layout
from driftseg.scenes.pairs import Pair
from driftseg.weather_sets.classes import classes_of_set
from driftseg.weather_sets.record import RECORD, read_finished

FOLDER, WEATHER_SET = "folder", "weather_set"
"""Kinds that are not a `Layout`, under their names in configs."""


@dataclass(frozen=True)
class Source:
    """The data to check, and how to read it."""

    kind: str
    """The name in configs."""
    title: str
    """The name in texts."""
    label_space: LabelSpace
    pairs: list[Pair]
    examiner: Examiner
    assumed: bool = False
    """Whether no file says what the label ids mean."""
    labels: Path | None = None
    """The given folder of labels. At least one label must belong to an image."""


def source_of(
    root: Path, *, kind: str | None, labels: Path | None, classes: Classes | None
) -> Source:
    """Decides how to read a folder.

    Args:
        root: the folder.
        kind: a layout's name (`driftseg.scenes.datasets`), ``folder`` or ``weather_set``; None
            detects it.
        labels: folder with label PNGs of a plain folder of images.
        classes: to map labels to; for a plain folder, the meaning of its ids.

    Raises:
        InputError: an unknown kind, a folder of another kind, or a label space that the labels
            cannot be mapped to.
    """
    by_name = {layout.name: layout for layout in layouts()}
    known = [*by_name, WEATHER_SET, FOLDER]
    if kind is not None and kind not in known:
        raise InputError(
            f"layout: expected one of {commas(known)}, got {kind!r}. To fix: take one of them"
        )
    if kind not in (None, FOLDER) and labels is not None:
        raise InputError(
            "labels: expected --layout folder, got another layout. To fix: leave out --labels or "
            "--layout"
        )
    kind = kind or _recognised(root, labels)
    if kind == FOLDER:
        return _of_folder(root, labels, classes)
    if kind == WEATHER_SET:
        return _of_set(root, classes)
    layout = by_name[kind]
    if not layout.found(root):
        raise InputError(
            f"{root}: expected the layout of {layout.title} ({layout.wanted}), got another. To "
            "fix: take another --layout, or name the folder that holds these"
        )
    space, mapping = _told_in(layout, classes)
    examiner = Examiner(
        layout.decode, len(layout.label_space), layout.codings, mapping, remark=layout.remark
    )
    return Source(kind, layout.title, space, layout.pairs(root), examiner)


def _recognised(root: Path, labels: Path | None) -> str:
    if labels is not None:
        return FOLDER
    if (layout := recognise(root)) is not None:
        return layout.name
    # With images beside it, the folder is a plain one with a file of that name.
    return WEATHER_SET if (root / RECORD).is_file() and not list_images(root) else FOLDER


def _told_in(layout: Layout, classes: Classes | None) -> tuple[LabelSpace, LabelMapping | None]:
    """The label space of the result, and the mapping to it."""
    if classes is None or classes.space == layout.label_space:
        return layout.label_space, None
    wanted = classes.space
    mapping = find_mapping(layout.label_space, wanted)
    if mapping is None:
        raise InputError(
            f"label_space: expected a label space that {layout.label_space.name} ({layout.title}) "
            f"can be mapped to, got {wanted.title}. To fix: leave out the label space"
        )
    return wanted, mapping


def _of_folder(root: Path, labels: Path | None, wanted: Classes | None) -> Source:
    known = wanted or classes_of_folder(root, labels)
    classes = known or Classes(CAMVID11)
    space, examiner = classes.space, _of_ids(classes)
    pairs = _folder_pairs(root, labels)
    assumed = known is None and any(pair.label is not None for pair in pairs)
    return Source(FOLDER, "a folder of images", space, pairs, examiner, assumed, labels)


def _folder_pairs(root: Path, labels: Path | None) -> list[Pair]:
    """Pairs images and labels by stem; labels without an image come last."""
    images = list_images(root)
    if labels is None:
        return [Pair("all", "", path.stem, path, None) for path in images]
    read, faults = label_files(labels)
    # `folder` reads only PNG labels; another file of that name is reported as a fault.
    known = {**{path.stem: path for path in list_images(labels)}, **read}
    pairs = [
        Pair(
            "all", "", path.stem, path, known.get(path.stem),
            fault=faults.get(path.stem, "") if path.stem in read else "",
        )
        for path in images
    ]  # fmt: skip
    shown = {path.stem for path in images}
    rest = sorted(known.keys() - shown, key=natural)
    orphans = [Pair("all", "", stem, None, known[stem]) for stem in rest]
    return pairs + orphans


def _of_ids(classes: Classes) -> Examiner:
    decode = read_ids if classes.ids is None else IdReader(classes.ids)
    return Examiner(decode, len(classes.space))


def _of_set(root: Path, wanted: Classes | None) -> Source:
    """All weathers of a weather set, each as a domain; the source images are not checked.

    A set of Cityscapes is one tree and is detected as Weather Cityscapes.
    """
    record = read_finished(root)
    settings = record["settings"]
    layout = next((layout for layout in layouts() if layout.name == settings["layout"]), None)
    if layout is None:
        classes = wanted or classes_of_set(root, settings)
        space, examiner = classes.space, _of_ids(classes)
        title = "a weather set of a folder of images"
    else:
        space, mapping = _told_in(layout, wanted)
        examiner = Examiner(
            layout.decode, len(layout.label_space), layout.codings, mapping, remark=layout.remark
        )
        title = f"a weather set of {layout.title}"
    return Source(WEATHER_SET, title, space, list(_set_pairs(root, record, layout)), examiner)


def _set_pairs(root: Path, record: Mapping[str, Any], layout: Layout | None) -> Iterator[Pair]:
    for domain in record["domains"].values():
        weather, place = domain["folder"], root / domain["folder"]
        if layout is None:
            labels = place / "labels"
            pairs = _folder_pairs(place, labels if labels.is_dir() else None)
        else:
            pairs = layout.pairs(place)
        for pair in pairs:
            own = f"{weather}/{pair.domain}" if pair.domain else weather
            yield replace(pair, domain=own, name=f"{weather}/{pair.name}")
