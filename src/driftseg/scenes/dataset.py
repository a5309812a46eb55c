"""Scenes in image files: common code of all folder layouts."""

from __future__ import annotations

import copy
import glob
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import ClassVar, Protocol

from driftseg.errors import InputError
from driftseg.frame import Label, Scene
from driftseg.images.listing import IMAGE_SUFFIXES, UNREAD_SUFFIXES, unread_images
from driftseg.images.reading import (
    Size,
    check_label,
    read_image,
    resize_image,
    resize_label,
)
from driftseg.labels import LabelMapping, LabelSpace
from driftseg.scenes.depth_files import DepthReader, View, resize_depth
from driftseg.settings import Pixels, Settings
from driftseg.weather.camera import CITYSCAPES, Camera

RENDERED = re.compile(r"(clear|(rain|snow)/[\d.]+mm|fog/[\d.]+m|night/[\d.]+|beta_[\d.]+)/")
"""The domain at the beginning of a name, in datasets with rendered weather."""


class Dataset(Protocol):
    """Scenes in a fixed order.

    A dataset with open resources, such as a camera, also has a method ``close``. A run always calls
    it at its end.
    """

    @property
    def label_space(self) -> LabelSpace:
        """What the label ids mean."""
        ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """The scene's name, without reading it."""
        ...

    def scene(self, index: int) -> Scene:
        """Reads the scene; InputError that names the file if it cannot be read."""
        ...


class DatasetSettings(Settings):
    """Settings of a dataset in a config; each kind has a subclass, which makes the dataset.

    `driftseg.scenes.datasets` lists the built-in kinds. A config names a subclass in another
    package by its import path: ``kind: my_package.module:MySettings``.
    """

    kind: str
    """A name of the table or of an entry point, or ``package.module:Name``."""
    size: tuple[Pixels, Pixels] | None = None
    """(width, height) to shrink to; null keeps the size of the images."""

    takes_folder: ClassVar[bool] = False
    """Whether it has a setting ``root``, which ``--data FOLDER`` sets if it is not set."""

    @abstractmethod
    def make(self, camera: Camera = CITYSCAPES) -> Dataset:
        """The scenes.

        Args:
            camera: used to make their depth.

        Raises:
            InputError: files are missing or in another layout, nothing is selected, labels are
                missing or cannot be mapped to the wanted label space, or sizes differ.
        """

    def told_in(self) -> LabelMapping | None:
        """The mapping of labels to another label space; None if they stay in their dataset's."""
        return None

    def frame_size(self, dataset: Dataset) -> Size:
        """(width, height) of the images of a dataset: ``size``, or that of the first image."""
        if self.size is not None:
            return self.size
        height, width = without_depth(dataset).scene(0).image.shape[:2]
        return width, height


@dataclass(frozen=True)
class Entry:
    """One image file and its label file, if it has one."""

    name: str
    image: Path
    label: Path | None
    depth: Path | None = None
    """The authors' file of depth or disparity."""
    camera: Path | None = None
    """The calibration for the depth file: focal length and baseline."""
    split: str = ""
    """The split of the layout; empty without a layout."""
    domain: str = ""
    """The layout's word for a condition; empty if it has none."""
    missing: Path | None = None
    """The expected label file, if it is missing."""
    fault: str = ""
    """Why the scene cannot be used, as far as file names show it, such as two image files of one
    scene."""


class SceneFiles:
    """Image files with optional labels.

    Args:
        entries: in order.
        label_space: of the ids that ``decode`` gives.
        decode: reads a label file into ids (0..C-1 or 255).
        size: (width, height) to shrink to; None keeps the size of each file.
        mapping: from the label space of the files to that of the scenes.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        label_space: LabelSpace,
        decode: Callable[[Path], Label],
        size: Size | None = None,
        mapping: LabelMapping | None = None,
    ):
        self.entries = list(entries)
        self.label_space = label_space if mapping is None else mapping.target
        self._ids = len(label_space)
        self.decode = decode
        self.size = size
        self.mapping = mapping
        self._depth: DepthReader | None = None

    def with_depth(self, depth: DepthReader | None) -> SceneFiles:
        """The same scenes, with depth; None leaves them without."""
        scenes = copy.copy(self)
        scenes._depth = depth
        return scenes

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, index: int) -> str:
        """The file's stem."""
        return self.entries[index].name

    def scene(self, index: int) -> Scene:
        """Reads one image, its label and its depth, and shrinks them."""
        entry = self.entries[index]
        image = read_image(entry.image)
        label = None
        if entry.label is not None:
            label = self.decode(entry.label)
            check_label(label, image, classes=self._ids, name=str(entry.label), of=entry.image)
            if self.mapping is not None:
                label = self.mapping.apply(label)
        depth = source = None
        if self._depth is not None:
            view = View(entry.image, image, label, entry.depth, entry.camera)
            depth, source = self._depth.read(view)
        if self.size is not None:
            image = resize_image(image, self.size, name=str(entry.image))
            label = None if label is None else resize_label(label, self.size)
            depth = None if depth is None else resize_depth(depth, self.size)
        return Scene(entry.name, image, label, depth, source)

    def files(self, index: int) -> list[Path]:
        """All files of a scene, its image first."""
        entry = self.entries[index]
        found = [entry.image] if entry.label is None else [entry.image, entry.label]
        if self._depth is not None:
            found += self._depth.files(entry.image, entry.depth, entry.camera)
        return found


def scene_of(name: str) -> str:
    """The scene of a name without its rendered weather; other names stay unchanged."""
    return RENDERED.sub("", name, count=1) if RENDERED.match(name) else name


def check_entries(entries: Sequence[Entry]) -> None:
    """Raises InputError for a chosen scene with ambiguous files or without an expected label.

    Scenes that ``include`` and ``exclude`` leave out are not checked, so this runs after them.
    """
    for entry in entries:
        if entry.fault:
            raise InputError(f"{entry.fault}, or leave the scene out with exclude")
    missing = [entry.missing for entry in entries if entry.missing is not None]
    if missing:
        others = [
            path for path in missing[0].parent.glob(f"{glob.escape(missing[0].stem)}.*")
            if path.suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES
        ]  # fmt: skip
        hint = f"; {others[0].name} is there and is not read, convert it" if others else ""
        raise InputError(
            f"{missing[0]}: expected a label file, got an image without one ({len(missing)} of "
            f"{len(entries)} labels are missing{hint}). To fix: complete the labels, or leave the "
            "images out with exclude"
        )


class Selection:
    """Some scenes of a dataset, in its order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]):
        self.dataset = dataset
        self.indices = list(indices)
        """Positions of the scenes in the dataset."""
        self.label_space = dataset.label_space

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """The scene's name."""
        return self.dataset.name(self.indices[index])

    def scene(self, index: int) -> Scene:
        """Reads the scene."""
        return self.dataset.scene(self.indices[index])


def without_depth(dataset: Dataset) -> Dataset:
    """The same scenes without depth from files or a network."""
    if isinstance(dataset, Selection):
        return Selection(without_depth(dataset.dataset), dataset.indices)
    return dataset.with_depth(None) if isinstance(dataset, SceneFiles) else dataset


def unread_of(dataset: Dataset) -> list[Path]:
    """Image files in the folders of a dataset in formats that are not read, such as HEIC."""
    while isinstance(dataset, Selection):
        dataset = dataset.dataset
    if not isinstance(dataset, SceneFiles):
        return []
    files = (path for e in dataset.entries for path in (e.image, e.label) if path is not None)
    return unread_images(path.parent for path in files)


def files_of(dataset: Dataset, index: int) -> list[Path]:
    """All files of a scene; none if it does not come from image files."""
    while isinstance(dataset, Selection):
        index, dataset = dataset.indices[index], dataset.dataset
    return dataset.files(index) if isinstance(dataset, SceneFiles) else []


def close(dataset: Dataset) -> None:
    """Closes the open resources of a dataset, such as a video or a camera. Most have none."""
    while isinstance(dataset, Selection):
        dataset = dataset.dataset
    release = getattr(dataset, "close", None)
    if release is not None:
        release()


def is_named(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a name matches ``include``, if it has patterns, and no pattern of ``exclude``."""
    return (not include or any(fnmatch(name, pattern) for pattern in include)) and not any(
        fnmatch(name, pattern) for pattern in exclude
    )


def select(
    dataset: Dataset,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    start: int = 0,
    stop: int | None = None,
    where: str,
) -> Selection:
    """Selects scenes by name pattern, then by position among these.

    Args:
        dataset: of all scenes.
        include: shell patterns (``0001TP_*``); if there are any, a name must match at least one.
        exclude: shell patterns of names that are left out.
        start: first position kept, counted after the patterns.
        stop: position after the last one kept; None keeps the rest.
        where: the folder or dataset, for the error.

    Raises:
        InputError: no scene is left.
    """
    names = [dataset.name(i) for i in range(len(dataset))]
    kept = [i for i, name in enumerate(names) if is_named(name, include, exclude)]
    chosen = kept[start:stop]
    if not chosen:
        seen = f"its names look like {names[0]}" if names else "it holds no images"
        raise InputError(
            f"{where}: expected scenes for include={list(include)} exclude={list(exclude)} "
            f"start={start} stop={stop}, got none ({len(kept)} match the patterns; {seen}). To "
            "fix: change these settings"
        )
    return Selection(dataset, chosen)
