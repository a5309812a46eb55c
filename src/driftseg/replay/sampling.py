"""Sampling of source images: uniform or by rare classes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from driftseg.errors import InputError
from driftseg.replay.class_cache import Row, count_files, counted_files
from driftseg.scenes.dataset import Dataset, without_depth
from driftseg.settings import Settings, Share

Counts = npt.NDArray[np.int64]


class SamplingSettings(Settings):
    """Sampling of source scenes."""

    rare_classes: bool = True
    """Rare-class sampling (DAFormer section 3.2); otherwise uniform sampling."""
    temperature: Annotated[float, Field(gt=0)] = 0.01
    """A smaller value prefers rare classes more; default of DAFormer."""
    minimum_share: Share = 0.0014
    """Least share of a class in a scene that is a candidate for the class; 3000 of Cityscapes'
    pixels."""
    batch_size: PositiveInt = 1


def class_counts(dataset: Dataset) -> Counts:
    """Labelled pixels of every class in every scene, (scenes, classes).

    Label files are decoded once. The user's cache folder keeps their counts by file content
    (`driftseg.replay.class_cache`), so the result does not depend on the cache.

    Raises:
        InputError: a scene has no label.
    """
    dataset = without_depth(dataset)  # depth of a network would take most of the time
    counted = counted_files(dataset)
    if counted is None:
        rows = [_count(dataset, index) for index in range(len(dataset))]
    else:
        rows = count_files(counted, lambda index: _count(dataset, index))
    counts = np.array(rows, dtype=np.int64).reshape(len(dataset), len(dataset.label_space))
    if counts.sum() == 0:
        raise InputError(
            "source: expected at least one labelled pixel, got none. To fix: check the label "
            "space of source"
        )
    return counts


def _count(dataset: Dataset, index: int) -> Row:
    label = dataset.scene(index).label
    if label is None:
        raise InputError(
            f"source: expected a label for every scene, got {dataset.name(index)} without one. To "
            "fix: leave it out with exclude, or add its label"
        )
    return np.bincount(label.ravel(), minlength=256)[: len(dataset.label_space)]


def rare_class_probabilities(counts: Counts, *, temperature: float) -> npt.NDArray[np.float64]:
    """P(c) = softmax over classes of (1 - f_c) / T; f_c is the class's share of labelled pixels.

    DAFormer (Hoyer et al. 2022), section 3.2. Where we differ: a class without a pixel has
    probability 0 instead of the largest probability.
    """
    total = counts.sum(axis=0).astype(np.float64)
    share = total / total.sum()
    logits = (1 - share) / temperature
    logits[total == 0] = -np.inf
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())


class Sampler:
    """Draws scene numbers.

    Args:
        counts: from `class_counts`.
        rare_classes: draw a class by `rare_class_probabilities`, then one of the scenes with enough
            of it; otherwise all scenes are equally likely.
        temperature: T; a smaller value prefers rare classes more.
        minimum_share: least share of the class in a scene's labelled pixels. Published: 3000 pixels
            at full resolution of Cityscapes, a share of 0.0014.
        generator: draws.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        rare_classes: bool,
        temperature: float,
        minimum_share: float,
        generator: np.random.Generator,
    ):
        self._scenes = len(counts)
        self._rare = rare_classes
        self._generator = generator
        labelled = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        enough = counts / labelled >= max(minimum_share, 1e-12)
        self._having = [np.flatnonzero(enough[:, c]) for c in range(counts.shape[1])]
        usable = np.where(enough.any(axis=0), counts.sum(axis=0), 0)[None]
        if rare_classes and usable.sum() == 0:
            raise InputError(
                "replay.minimum_share: expected scenes that hold a class with a share of "
                f"{minimum_share} of their pixels, got none. To fix: lower minimum_share"
            )
        share = usable if rare_classes else np.maximum(counts, 1)
        self.probabilities = rare_class_probabilities(share, temperature=temperature)

    def draw(self, *, uniform: bool = False) -> tuple[int, int | None]:
        """A scene number and the class for which it was drawn (None for uniform sampling)."""
        if uniform or not self._rare:
            return int(self._generator.integers(self._scenes)), None
        wanted = int(self._generator.choice(len(self.probabilities), p=self.probabilities))
        return int(self._generator.choice(self._having[wanted])), wanted

    def distinct(self, number: int) -> list[int]:
        """Up to ``number`` different scenes from the same distribution, in ascending order."""
        if number >= self._scenes:
            return list(range(self._scenes))
        chosen: set[int] = set()
        for _ in range(50 * number):
            chosen.add(self.draw()[0])
            if len(chosen) == number:
                return sorted(chosen)
        rest = [i for i in range(self._scenes) if i not in chosen]
        more = self._generator.permutation(rest)[: number - len(chosen)]
        return sorted(chosen | {int(i) for i in more})

    def state_dict(self) -> dict[str, Any]:
        """The generator's state; the constructor gets counts and settings."""
        return {"generator": self._generator.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from the state of another sampler over the same scenes."""
        self._generator.bit_generator.state = state["generator"]
