"""A plain folder of images, with or without a folder of label PNGs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from driftseg.errors import InputError
from driftseg.images.reading import Size, list_images, read_ids
from driftseg.labels import LabelSpace, named_space
from driftseg.scenes.dataset import Entry, SceneFiles
from driftseg.scenes.selection import SelectedSettings


class FolderSettings(SelectedSettings):
    """A folder of images, with or without a folder of label PNGs of the same names."""

    kind: Literal["folder"] = "folder"
    root: Path
    labels: Path | None = None
    label_space: str = "camvid11"

    one_size: ClassVar[bool] = False

    def folder(self) -> Path:
        """The folder of images."""
        return self.root

    def files(self) -> SceneFiles:
        """All images of the folder."""
        return folder(
            self.root,
            label_space=named_space(self.label_space, "label_space"),
            labels=self.labels,
            size=self.size,
        )


def folder(
    root: Path, *, label_space: LabelSpace, labels: Path | None = None, size: Size | None = None
) -> SceneFiles:
    """Every image of ``root`` in name order, as frames of a sequence.

    Args:
        root: folder of images.
        label_space: what the label ids (or, without labels, the predictions) mean.
        labels: folder with one PNG of ids per image, of the same stem; None for unlabelled.
        size: (width, height) to shrink to.

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
    return SceneFiles(entries, label_space=label_space, decode=read_ids, size=size)


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
