"""Scenes that lie in image files: what all folder layouts share."""

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
"""The domain that a name begins with, in datasets that show a scene in rendered weather."""


class Dataset(Protocol):
    """Scenes in a fixed order.

    One that holds something open, as a camera is, has a method ``close`` as well, which a run
    calls however it ends.
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
        """Reads the scene; InputError naming the file when it cannot be read."""
        ...


class DatasetSettings(Settings):
    """What a config says of a dataset; a subclass for each kind holds its settings and makes it.

    `driftseg.scenes.datasets` lists the built-in kinds. A subclass in any other package is named
    by its import path: ``kind: my_package.module:MySettings``.
    """

    kind: str
    """One of the table, a name of an entry point, or ``package.module:Name``."""
    size: tuple[Pixels, Pixels] | None = None
    """(width, height) to shrink to; null keeps the images' own."""

    takes_folder: ClassVar[bool] = False
    """Whether it has a setting ``root``, which ``--data FOLDER`` fills in where it is not set."""

    @abstractmethod
    def make(self, camera: Camera = CITYSCAPES) -> Dataset:
        """The scenes.

        Args:
            camera: their depth is made with it.

        Raises:
            InputError: files are missing or in another layout, nothing is selected, labels are
                missing or cannot be told in the space asked for, or sizes differ.
        """

    def told_in(self) -> LabelMapping | None:
        """How labels are told in another space than their dataset's; None where they are not."""
        return None

    def frame_size(self, dataset: Dataset) -> Size:
        """(width, height) of the images of what was made: ``size``, or that of the first one."""
        if self.size is not None:
            return self.size
        height, width = without_depth(dataset).scene(0).image.shape[:2]
        return width, height


@dataclass(frozen=True)
class Entry:
    """One image file and, where there is one, its label file."""

    name: str
    image: Path
    label: Path | None
    depth: Path | None = None
    """Depth or disparity, as the authors store it."""
    camera: Path | None = None
    """What the depth file must be read with: focal length and baseline."""
    split: str = ""
    """The layout's; empty outside of layouts."""
    domain: str = ""
    """The layout's word for a condition; empty where it knows none."""
    missing: Path | None = None
    """The label file that should be there and is not."""
    fault: str = ""
    """Why the scene cannot be used, where its files alone tell it: two files are its image."""


class SceneFiles:
    """Image files with optional labels.

    Args:
        entries: in order.
        label_space: of the ids that ``decode`` gives.
        decode: reads a label file into ids (0..C-1 or 255).
        size: (width, height) to shrink to; None keeps each file's own.
        mapping: from the labels' space to the one that the scenes are to be told in.
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
        """Reads and shrinks one image, its label and its depth."""
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
        """All files that a scene is read from, its image first."""
        entry = self.entries[index]
        found = [entry.image] if entry.label is None else [entry.image, entry.label]
        if self._depth is not None:
            found += self._depth.files(entry.image, entry.depth, entry.camera)
        return found


def scene_of(name: str) -> str:
    """The scene that a name shows, in whatever rendered weather; other names as they are."""
    return RENDERED.sub("", name, count=1) if RENDERED.match(name) else name


def check_entries(entries: Sequence[Entry]) -> None:
    """Raises where a chosen scene has no label though others have, or has files in doubt.

    What ``include`` and ``exclude`` leave out is not judged, so this comes after them.
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
    """The same scenes without the depth that files or a network would give them."""
    if isinstance(dataset, Selection):
        return Selection(without_depth(dataset.dataset), dataset.indices)
    return dataset.with_depth(None) if isinstance(dataset, SceneFiles) else dataset


def unread_of(dataset: Dataset) -> list[Path]:
    """Image files beside those of a dataset, of kinds that are not read, as HEIC is."""
    while isinstance(dataset, Selection):
        dataset = dataset.dataset
    if not isinstance(dataset, SceneFiles):
        return []
    files = (path for e in dataset.entries for path in (e.image, e.label) if path is not None)
    return unread_images(path.parent for path in files)


def files_of(dataset: Dataset, index: int) -> list[Path]:
    """All files that a scene is read from; none where it is no scene of image files."""
    while isinstance(dataset, Selection):
        index, dataset = dataset.indices[index], dataset.dataset
    return dataset.files(index) if isinstance(dataset, SceneFiles) else []


def close(dataset: Dataset) -> None:
    """Gives back what a dataset holds open, as a video or a camera does; most hold nothing."""
    while isinstance(dataset, Selection):
        dataset = dataset.dataset
    release = getattr(dataset, "close", None)
    if release is not None:
        release()


def is_named(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a name matches one of the shell patterns to include, if any, and none to exclude."""
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
    """Scenes by name pattern, then by position among those.

    Args:
        dataset: to choose from.
        include: shell patterns (``0001TP_*``); a name must match one, if any are given.
        exclude: names that match one of these are left out.
        start: first position kept, counted after the patterns.
        stop: position after the last one kept; None keeps the rest.
        where: the folder or dataset, for the error.

    Raises:
        InputError: nothing is left.
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
