"""Datasets from objects in memory: labelled images, or a dataset in another label space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError
from driftseg.frame import Image, Scene
from driftseg.images.given import as_label
from driftseg.labels import LabelMapping, LabelSpace
from driftseg.scenes.dataset import Dataset, close

Ids = npt.NDArray[np.integer] | str | Path
"""A label map of class ids, or its file."""


class GivenScenes:
    """Labelled images in memory.

    Args:
        images: RGB, (H, W, 3), uint8.
        labels: class ids and 255, one map for each image and of its size, or a file of one.
        label_space: of these ids.

    Raises:
        InputError: there are none, or a label does not fit its image or the label space.
    """

    def __init__(self, images: Sequence[Image], labels: Sequence[Ids], label_space: LabelSpace):
        if not images or len(images) != len(labels):
            raise InputError(
                f"source: expected as many images as labels and at least one, got {len(images)} "
                f"images and {len(labels)} labels. To fix: give pairs (image, label)"
            )
        self.label_space = label_space
        pairs = zip(images, labels, strict=True)
        self._scenes = [self._scene(number, *pair) for number, pair in enumerate(pairs)]

    def _scene(self, number: int, image: Image, given: Ids) -> Scene:
        name = f"source {number}"
        label = as_label(given, image, classes=len(self.label_space), name=name)
        return Scene(name, image, label)

    def __len__(self) -> int:
        return len(self._scenes)

    def name(self, index: int) -> str:
        """Its position."""
        return self._scenes[index].name

    def scene(self, index: int) -> Scene:
        """As given."""
        return self._scenes[index]


class Retold:
    """A dataset with its labels mapped to another label space.

    Args:
        dataset: any.
        mapping: from its label space.
    """

    def __init__(self, dataset: Dataset, mapping: LabelMapping):
        self._dataset, self._mapping = dataset, mapping
        self.label_space = mapping.target

    def __len__(self) -> int:
        return len(self._dataset)

    def name(self, index: int) -> str:
        """The dataset's."""
        return self._dataset.name(index)

    def scene(self, index: int) -> Scene:
        """The dataset's scene with its label mapped."""
        scene = self._dataset.scene(index)
        if scene.label is None:
            return scene
        return replace(scene, label=self._mapping.apply(scene.label))

    def close(self) -> None:
        """Closes the dataset."""
        close(self._dataset)
