"""A plain folder of images, with or without a folder of label PNGs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from driftseg.errors import InputError
from driftseg.images.listing import list_images, told_unread, unread_images
from driftseg.images.reading import IdReader, Size, read_ids
from driftseg.labels import (
    Classes,
    ClassesSettings,
    LabelSpace,
    classes_beside,
    named_space,
)
from driftseg.labels.classes import FILE
from driftseg.labels.tables import IdTable
from driftseg.scenes.dataset import Entry, SceneFiles, check_entries
from driftseg.scenes.selection import SelectedSettings


class FolderSettings(SelectedSettings, ClassesSettings):
    """A folder of images, with or without a folder of label PNGs of the same names."""

    kind: Literal["folder"] = "folder"
    root: Path
    labels: Path | None = None
    label_space: str = "camvid11"
    """A preset; used if neither ``classes`` nor a file ``classes.yaml`` states the classes."""

    one_size: ClassVar[bool] = False

    def folder(self) -> Path:
        """The folder of images."""
        return self.root

    def files(self) -> SceneFiles:
        """All images of the folder."""
        classes = self.stated_classes() or self._found_classes()
        return found_images(
            self.root,
            label_space=classes.space,
            labels=self.labels,
            size=self.size,
            ids=classes.ids,
        )

    def _found_classes(self) -> Classes:
        found = classes_of_folder(self.root, self.labels)
        named = named_space(self.label_space, "label_space")
        if found is None:
            return Classes(named)
        default = type(self).model_fields["label_space"].get_default()
        if self.label_space != default and found.space != named:
            raise InputError(
                f"{self.root}: expected one statement of the classes, got {found.space.title} "
                f"in the file {FILE} and label_space {named.name}. To fix: remove one of them"
            )
        return found


def classes_of_folder(root: Path, labels: Path | None) -> Classes | None:
    """The classes in the file ``classes.yaml`` of a folder of images.

    It is searched in the folder of labels, the folder of images, and the folder that holds both.

    Raises:
        InputError: the file exists and is not valid.
    """
    above = root.parent if labels is not None and labels.parent == root.parent else None
    return classes_beside(labels, root, above)


def folder(root: Path, **wanted: Any) -> SceneFiles:
    """As `found_images`, and checks all of them.

    Raises:
        InputError: as `found_images`, or a label cannot be used.
    """
    found = found_images(root, **wanted)
    check_entries(found.entries)
    return found


def found_images(
    root: Path,
    *,
    label_space: LabelSpace,
    labels: Path | None = None,
    size: Size | None = None,
    ids: IdTable | None = None,
) -> SceneFiles:
    """Every image of ``root`` in natural order of names, as frames of a sequence.

    Args:
        root: folder of images.
        label_space: of the label ids, or of predictions if there are no labels.
        labels: folder with one PNG of ids per image, of the same stem; None for no labels.
        size: (width, height) to shrink to.
        ids: from ids in label files to ids of the label space; None if they are the same.

    Raises:
        InputError: a folder is missing, there are no images, or no label has the name of an image.
    """
    images = list_images(root)
    if not images:
        unread = told_unread(unread_images([root]))
        raise InputError(
            f"{root}: expected images, got none{'; ' if unread else ''}{unread}. To fix: name a "
            "folder of images"
        )
    known, faults = ({}, {}) if labels is None else label_files(labels)
    entries = [
        Entry(path.stem, path, known.get(path.stem), fault=faults.get(path.stem, ""))
        for path in images
    ]
    if labels is not None and not any(entry.label or entry.fault for entry in entries):
        raise InputError(
            f"{labels}: expected labels named like the images of {root}, got none for "
            f"{images[0].stem}. To fix: name labels like their images"
        )
    decode = read_ids if ids is None else IdReader(ids)
    return SceneFiles(entries, label_space=label_space, decode=decode, size=size)


def label_files(labels: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The PNGs of a folder of labels by stem, and their errors.

    A stem has one PNG, in any spelling of the suffix. Labels in other formats are not read.

    Raises:
        InputError: no such folder.
    """
    if not labels.is_dir():
        raise InputError(
            f"{labels}: expected a folder of labels, got a path where there is none. To fix: check "
            "the path"
        )
    known: dict[str, Path] = {}
    faults: dict[str, str] = {}
    others = [*list_images(labels), *unread_images([labels])]
    for path in others:
        if path.suffix.lower() == ".png" and known.setdefault(path.stem, path) != path:
            faults[path.stem] = (
                f"{path}: expected one label for each image, got {known[path.stem]} for the same "
                f"image, too. To fix: remove one of them"
            )
    for path in others:
        if path.stem not in known:
            faults[path.stem] = (
                f"{path}: expected a label in a PNG, got {path.suffix}. To fix: convert it to PNG"
            )
    return known, faults
