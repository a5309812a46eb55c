"""Checks the files of one scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from driftseg.checking.findings import Kind
from driftseg.errors import InputError, UnknownIdsError, UnreadableError
from driftseg.frame import Label
from driftseg.images.label_coding import ID_CODINGS, label_coding
from driftseg.images.listing import IMAGE_SUFFIXES
from driftseg.images.reading import (
    UNDECODABLE,
    Size,
    check_ids,
    read_image,
    read_size,
    turn_of,
)
from driftseg.labels import IGNORE, LabelMapping
from driftseg.scenes.pairs import Pair


@dataclass
class Examined:
    """The result for one scene."""

    image_size: Size | None = None
    turned: bool = False
    """Whether the image is turned by its EXIF orientation."""
    label_coding: str | None = None
    """Such as ``palette PNG`` or ``16-bit grey PNG``."""
    pixels: npt.NDArray[np.int64] | None = None
    """Number of pixels of every id after decoding, (256,); None without a readable label."""
    unknown: dict[int, int] = field(default_factory=dict)
    """Number of pixels of every unknown id."""
    wrong: list[tuple[Kind, str]] = field(default_factory=list)
    """Faults: the kind, and the file with details."""


@dataclass(frozen=True)
class Examiner:
    """Checks scenes; it only reads files.

    Args:
        decode: reads a label file into ids.
        classes: number of classes in the label space of these ids.
        codings: the codings of a label file that ``decode`` takes.
        mapping: to another label space.
        headers_only: whether only sizes and codings are read.
        remark: a note on a readable label file; may be empty.
    """

    decode: Callable[[Path], Label]
    classes: int
    codings: Callable[[Path], frozenset[str]] = lambda path: ID_CODINGS
    mapping: LabelMapping | None = None
    headers_only: bool = False
    remark: Callable[[Path], str] = lambda path: ""

    def __call__(self, pair: Pair) -> Examined:
        """Checks one scene."""
        found = Examined()
        if pair.fault:
            found.wrong.append(("files_in_doubt", pair.fault))
        if pair.missing is not None:
            found.wrong.append(("missing_labels", str(pair.missing)))
        if pair.image is None:
            found.wrong.append(("orphaned_labels", str(pair.label)))
        else:
            self._image(pair.image, found)
        if found.turned and pair.label is not None:
            found.wrong.append(("turned_images", str(pair.image)))
        if pair.label is not None:
            self._label(pair.label, found)
        if pair.depth is not None:
            self._depth(pair.depth, found)
        return found

    def _image(self, path: Path, found: Examined) -> None:
        try:
            if self.headers_only:
                found.image_size = read_size(path)
            else:
                height, width = read_image(path).shape[:2]
                found.image_size = (width, height)
        except InputError as error:
            found.wrong.append(("unreadable_images", str(error)))
        found.turned = turn_of(path) > 1

    def _label(self, path: Path, found: Examined) -> None:
        found.label_coding = label_coding(path)
        if _lossy(path):
            found.wrong.append(("lossy_labels", f"{path}: JPEG blends neighbouring ids"))
        if self.headers_only:
            self._label_header(path, found)
            return
        try:
            label = self.decode(path)
            self._same_size((label.shape[1], label.shape[0]), path, found)
            check_ids(label, classes=self.classes, name=str(path))
        except UnknownIdsError as error:
            found.unknown = error.ids
            found.wrong.append(("unknown_ids", str(error)))
            return
        except UnreadableError as error:
            found.wrong.append(("unreadable_labels", str(error)))
            return
        except InputError as error:
            there = path.is_file()  # false for a broken link
            kind = _refusal(found.label_coding) if there else "unreadable_labels"
            found.wrong.append((kind, str(error)))
            return
        self._coding(path, found)
        if told := self.remark(path):
            found.wrong.append(("empty_objects", told))
        if self.mapping is not None:
            label = self.mapping.apply(label)
        found.pixels = np.bincount(label.ravel(), minlength=256).astype(np.int64)
        if found.pixels[IGNORE] == label.size:
            found.wrong.append(("empty_labels", f"{path}: no pixel has a class"))

    def _label_header(self, path: Path, found: Examined) -> None:
        self._coding(path, found)
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            return
        try:
            self._same_size(read_size(path), path, found)
        except UnreadableError as error:
            found.wrong.append(("unreadable_labels", str(error)))

    def _coding(self, path: Path, found: Examined) -> None:
        """Records an unsupported label coding, which the header shows."""
        coding, taken = found.label_coding, self.codings(path)
        if coding is not None and coding not in taken and not _lossy(path):
            told = f"{path}: expected {' or '.join(sorted(taken))}, got {coding}"
            found.wrong.append((_refusal(coding), told))

    def _same_size(self, size: Size, path: Path, found: Examined) -> None:
        if found.image_size is not None and size != found.image_size:
            told = _sizes(path, size, found.image_size)
            if found.turned and size == found.image_size[::-1]:
                told += " after it is turned as its EXIF orientation says"
            found.wrong.append(("labels_of_another_size", told))

    def _depth(self, path: Path, found: Examined) -> None:
        """Checks that depth can be decoded and has the image's size, but not its values."""
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            return
        try:
            with PillowImage.open(path) as picture:
                size = picture.size
                if not self.headers_only:
                    picture.load()
        except UNDECODABLE as error:
            found.wrong.append(("unreadable_depth", f"{path}: {error}"))
            return
        if found.image_size is not None and size != found.image_size:
            found.wrong.append(("depth_of_another_size", _sizes(path, size, found.image_size)))


def _lossy(path: Path) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif")


def _refusal(coding: str | None) -> Kind:
    """The kind of fault of a readable label file that is refused."""
    if coding is not None and coding.startswith("16-bit"):
        return "sixteen_bit_labels"
    if coding in ("8-bit colour PNG", "8-bit colour and alpha PNG"):
        return "colour_labels"
    return "refused_labels"


def _sizes(path: Path, size: Size, image: Size) -> str:
    return f"{path}: is {size[0]}x{size[1]}, its image {image[0]}x{image[1]}"
