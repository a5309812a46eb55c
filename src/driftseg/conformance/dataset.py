"""The laws of datasets (`driftseg.scenes.dataset.Dataset`)."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np

from driftseg.conformance.laws import Finding, broken, check_laws
from driftseg.errors import InputError
from driftseg.frame import Scene
from driftseg.labels import IGNORE
from driftseg.scenes.dataset import Dataset, DatasetSettings

LOOKED_AT = 8
"""Number of scenes that are read, evenly spaced."""


class DatasetLaws:
    """Checks the laws of one dataset.

    Args:
        settings: validated; they make the dataset.
    """

    def __init__(self, settings: DatasetSettings):
        self._settings = settings
        self._dataset: Dataset = settings.make()
        length = len(self._dataset)
        count = min(LOOKED_AT, length)
        self._chosen = sorted({round(i * (length - 1) / max(count - 1, 1)) for i in range(count)})

    def check(self) -> list[Finding]:
        """Every law with its result."""
        return check_laws(
            {
                "it holds at least one scene": self._not_empty,
                "no two scenes have one name, and a scene says its own": self._names,
                "images are RGB of uint8, (height, width, 3)": self._images,
                "labels have their image's size and ids of the label space, or 255": self._labels,
                "depth, where there is any, is above 0 and has the image's size": self._depth,
                "the same position gives the same scene, in any order": self._repeats,
                "made again from its settings, it is the same dataset": self._again,
                "it can be sent to another process": self._pickled,
                "a position that it does not have is an error": self._outside,
            }
        )

    def _scenes(self) -> list[Scene]:
        return [self._dataset.scene(index) for index in self._chosen]

    def _not_empty(self) -> str:
        broken(len(self._dataset) < 1, "len() is 0; raise an InputError that says what is expected")
        return f"{len(self._dataset)} scenes, {len(self._dataset.label_space)} classes"

    def _names(self) -> None:
        names = [self._dataset.name(index) for index in range(len(self._dataset))]
        counts = Counter(names)
        twice = sorted(name for name, count in counts.items() if count > 1)
        broken(bool(twice), f"named twice: {twice[:3]}")
        for index, scene in zip(self._chosen, self._scenes(), strict=True):
            broken(
                scene.name != names[index],
                f"name({index}) is {names[index]!r}, the scene has the name {scene.name!r}",
            )

    def _images(self) -> None:
        for scene in self._scenes():
            image = scene.image
            broken(
                not isinstance(image, np.ndarray) or image.dtype != np.uint8,
                f"{scene.name}: the image is not an array of uint8",
            )
            broken(
                image.ndim != 3 or image.shape[2] != 3, f"{scene.name}: its shape is {image.shape}"
            )

    def _labels(self) -> str:
        labelled = 0
        classes = len(self._dataset.label_space)
        for scene in self._scenes():
            if scene.label is None:
                continue
            labelled += 1
            broken(
                scene.label.dtype != np.uint8 or scene.label.shape != scene.image.shape[:2],
                f"{scene.name}: the label is {scene.label.dtype} {scene.label.shape}, its image "
                f"{scene.image.shape[:2]}",
            )
            ids = {int(i) for i in np.unique(scene.label)} - {IGNORE}
            wrong = sorted(i for i in ids if i >= classes)
            broken(bool(wrong), f"{scene.name}: ids {wrong} are not among the {classes} classes")
        return f"{labelled} of {len(self._chosen)} scenes looked at have labels"

    def _depth(self) -> None:
        for scene in self._scenes():
            if scene.depth is not None:
                broken(
                    scene.depth.shape != scene.image.shape[:2],
                    f"{scene.name}: depth is {scene.depth.shape}",
                )
                broken(not (scene.depth > 0).all(), f"{scene.name}: depth is not above 0")

    def _repeats(self) -> None:
        for index in reversed(self._chosen):
            _same(self._dataset.scene(index), self._dataset.scene(index))
        first = self._dataset.scene(self._chosen[0])
        self._dataset.scene(self._chosen[-1])
        _same(first, self._dataset.scene(self._chosen[0]))

    def _again(self) -> None:
        other = self._settings.make()
        broken(len(other) != len(self._dataset), "it has another length")
        broken(other.label_space != self._dataset.label_space, "it has other classes")
        for index in self._chosen:
            _same(self._dataset.scene(index), other.scene(index))

    def _pickled(self) -> None:
        other = pickle.loads(pickle.dumps(self._dataset))
        _same(self._dataset.scene(self._chosen[0]), other.scene(self._chosen[0]))

    def _outside(self) -> None:
        try:
            self._dataset.scene(len(self._dataset))
        except (IndexError, InputError, KeyError):
            return
        broken(True, f"scene({len(self._dataset)}) gives a scene, but it is past the last one")


def _same(one: Scene, other: Scene) -> None:
    broken(one.name != other.name, f"{one.name} becomes {other.name}")
    broken(not np.array_equal(one.image, other.image), f"{one.name}: the image differs")
    both = one.label is not None and other.label is not None
    broken((one.label is None) != (other.label is None), f"{one.name}: only one has a label")
    if both:
        broken(not np.array_equal(one.label, other.label), f"{one.name}: the label differs")  # type: ignore[arg-type]
