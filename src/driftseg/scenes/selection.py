"""Settings that all datasets of image files share: which files, how large, with which depth."""

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
    """Which files of a folder, and how large. A subclass says what the files are (`files`)."""

    include: list[str] = []
    """Shell patterns; a frame's name must match one, if any are given."""
    exclude: list[str] = []
    start: Annotated[int, Field(ge=0)] = 0
    """First frame kept, counted after the patterns."""
    stop: int | None = None
    """Frame after the last one kept."""
    depth: DepthSettings = "none"
    """How far things are, for the weather that is rendered on them."""

    one_size: ClassVar[bool] = True
    """Whether images of several sizes are refused where ``size`` brings them to none."""

    @abstractmethod
    def files(self) -> SceneFiles:
        """All scenes, before ``include`` and the like; their depth is added later.

        What they lack is an entry's ``missing`` and ``fault``, judged once they are chosen.

        Raises:
            InputError: the folder is missing or not what it should be.
        """

    @abstractmethod
    def folder(self) -> Path:
        """The folder that the images lie in; InputError where it is not known."""

    def shown(self, found: SceneFiles) -> Mapping[Path, str]:
        """Every image of the dataset, and the scene that it shows."""
        return {entry.image: scene_of(entry.name) for entry in found.entries}

    def make(self, camera: Camera = CITYSCAPES) -> Dataset:
        """The chosen scenes, with their depth."""
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
