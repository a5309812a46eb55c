"""A plain folder of images, with or without a folder of label PNGs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from driftseg.errors import InputError
from driftseg.images.reading import IdReader, Size, list_images, read_ids
from driftseg.labels import (
    Classes,
    ClassesSettings,
    LabelSpace,
    classes_beside,
    named_space,
)
from driftseg.labels.classes import FILE
from driftseg.labels.tables import IdTable
from driftseg.scenes.dataset import Entry, SceneFiles
from driftseg.scenes.selection import SelectedSettings


class FolderSettings(SelectedSettings, ClassesSettings):
    """A folder of images, with or without a folder of label PNGs of the same names."""

    kind: Literal["folder"] = "folder"
    root: Path
    labels: Path | None = None
    label_space: str = "camvid11"
    """A preset; read where neither ``classes`` nor a file ``classes.yaml`` says what ids mean."""

    one_size: ClassVar[bool] = False

    def folder(self) -> Path:
        """The folder of images."""
        return self.root

    def files(self) -> SceneFiles:
        """All images of the folder."""
        classes = self.stated_classes() or self._found_classes()
        return folder(
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
                f"{self.root}: a file {FILE} says {found.space.title}, label_space says "
                f"{named.name}; remove one of them"
            )
        return found


def classes_of_folder(root: Path, labels: Path | None) -> Classes | None:
    """What a file ``classes.yaml`` says of a folder of images.

    It is looked for in the folder of labels, in that of images, and in the one that holds both.

    Raises:
        InputError: the file is there and does not fit.
    """
    above = root.parent if labels is not None and labels.parent == root.parent else None
    return classes_beside(labels, root, above)


def folder(
    root: Path,
    *,
    label_space: LabelSpace,
    labels: Path | None = None,
    size: Size | None = None,
    ids: IdTable | None = None,
) -> SceneFiles:
    """Every image of ``root`` in name order, as frames of a sequence.

    Args:
        root: folder of images.
        label_space: what the label ids (or, without labels, the predictions) mean.
        labels: folder with one PNG of ids per image, of the same stem; None for unlabelled.
        size: (width, height) to shrink to.
        ids: from ids in label files to those of the space; None where they are the same.

    Raises:
        InputError: a folder is missing, there are no images, or no label is named like one.
    """
    images = list_images(root)
    if not images:
        raise InputError(f"{root}: holds no images")
    known = {} if labels is None else label_files(labels)
    entries = [Entry(path.stem, path, known.get(path.stem)) for path in images]
    if labels is not None and all(entry.label is None for entry in entries):
        raise InputError(f"{labels}: no label is named like an image of {root} ({images[0].stem})")
    decode = read_ids if ids is None else IdReader(ids)
    return SceneFiles(entries, label_space=label_space, decode=decode, size=size)


def label_files(labels: Path) -> dict[str, Path]:
    """The PNGs of a folder of labels, by stem, however their suffix is written.

    Raises:
        InputError: no such folder, or two PNGs of one stem.
    """
    if not labels.is_dir():
        raise InputError(f"{labels}: no such folder of labels")
    known: dict[str, Path] = {}
    for path in list_images(labels):
        if path.suffix.lower() == ".png" and known.setdefault(path.stem, path) != path:
            raise InputError(
                f"{path}: is the label of the same image as {known[path.stem]}; remove one of them"
            )
    return known
