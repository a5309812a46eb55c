"""The datasets of a run: opened from their sections, described in the record, closed together."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from typing import Any

from driftseg.labels.classes import Stated as StatedClasses
from driftseg.runs.classes import with_classes
from driftseg.scenes.dataset import Dataset, DatasetSettings, close, files_of
from driftseg.weather.camera import CITYSCAPES, Camera


class RunData:
    """Opens datasets and keeps track of them.

    Some keep a file or a camera open. The owner of this object always closes them.
    """

    def __init__(self) -> None:
        self._opened: dict[str, Dataset] = {}

    def open(
        self,
        where: str,
        section: DatasetSettings,
        classes: StatedClasses | None,
        camera: Camera = CITYSCAPES,
    ) -> Dataset:
        """The dataset of a section.

        Args:
            where: the section's name in the config.
            section: its settings.
            classes: of the whole config, for data that states none.
            camera: for its rendered weather.
        """
        dataset = with_classes(section, classes).make(camera)
        self._opened[where] = dataset
        return dataset

    def opened(self, where: str) -> Dataset:
        """The dataset of an opened section."""
        return self._opened[where]

    def digests(self, *, contents: bool = False) -> dict[str, dict[str, Any]]:
        """Number of scenes and their digest for each section; ``contents`` reads the files."""
        return {
            where: {
                "scenes": len(dataset),
                "digest": digest(dataset),
                **({"contents": contents_digest(dataset)} if contents else {}),
            }
            for where, dataset in self._opened.items()
        }

    def close(self) -> None:
        """Closes all datasets."""
        with ExitStack() as stack:
            for dataset in self._opened.values():
                stack.callback(close, dataset)


def digest(dataset: Dataset) -> str:
    """Twelve hexadecimal digits of the scenes' names and, for files, their sizes in bytes.

    It shows whether two runs had the same data, without reading the data. It does not depend on the
    folder of the files.
    """
    found = hashlib.sha256()
    for index in range(len(dataset)):
        sizes = [path.stat().st_size if path.is_file() else -1 for path in files_of(dataset, index)]
        found.update(f"{dataset.name(index)} {sizes}\n".encode())
    return found.hexdigest()[:12]


def contents_digest(dataset: Dataset) -> str | None:
    """Twelve hexadecimal digits of the contents of all files; None if scenes have no files."""
    found, files = hashlib.sha256(), 0
    for index in range(len(dataset)):
        for path in files_of(dataset, index):
            files += 1
            found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()[:12] if files else None
