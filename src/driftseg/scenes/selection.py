"""Common settings of datasets of image files: selection, size and depth."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from driftseg.scenes.dataset import (
    Dataset,
    DatasetSettings,
    SceneFiles,
    check_entries,
    scene_of,
    select,
)
from driftseg.scenes.depth import DepthSettings, make_depth
from driftseg.scenes.sizes import check_one_size, check_sizes
from driftseg.weather.camera import CITYSCAPES, Camera


class SelectedSettings(DatasetSettings):
    """Selection of files of a folder and their size. A subclass gives the files (`files`)."""

    include: list[str] = []
    """Shell patterns; if there are any, a frame's name must match at least one."""
    exclude: list[str] = []
    start: Annotated[int, Field(ge=0)] = 0
    """First frame kept, counted after the patterns."""
    stop: int | None = None
    """Frame after the last one kept."""
    depth: DepthSettings = "none"
    """Source of depth, for rendered weather."""

    one_size: ClassVar[bool] = True
    """Whether images of different sizes raise an error if ``size`` is not set."""

    @abstractmethod
    def files(self) -> SceneFiles:
        """All scenes before ``include`` and the other filters; depth is added later.

        Missing files are in ``missing`` and ``fault`` of an entry and are checked after the
        selection.

        Raises:
            InputError: the folder is missing or not valid.
        """

    @abstractmethod
    def folder(self) -> Path:
        """The folder of the images; InputError if it is not known."""

    def shown(self, found: SceneFiles) -> Mapping[Path, str]:
        """Every image of the dataset, and its scene."""
        return {entry.image: scene_of(entry.name) for entry in found.entries}

    def make(self, camera: Camera = CITYSCAPES) -> Dataset:
        """The selected scenes with their depth."""
        found, root = self.files(), self.folder()
        depth = make_depth(
            self.depth, camera, found.label_space, root=root, images=lambda: self.shown(found)
        )
        chosen = select(
            found.with_depth(depth),
            include=self.include,
            exclude=self.exclude,
            start=self.start,
            stop=self.stop,
            where=str(root),
        )
        entries = [found.entries[i] for i in chosen.indices]
        check_entries(entries)
        if self.size is not None:
            check_sizes((entry.image for entry in entries), self.size)
        elif self.one_size:
            check_one_size(entries)
        return chosen
