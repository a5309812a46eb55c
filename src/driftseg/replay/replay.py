"""Source replay: labelled source images that adaptation learns from with every frame.

A method that trains only on the target forgets the source. It therefore gets a `Replay` when it is
made and draws one `SourceBatch` for each frame it trains on. Only scenes of the buffer are drawn
(the published code draws from the whole source).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import PositiveInt

from driftseg.frame import Image, Label, SourceBatch
from driftseg.images.reading import Size
from driftseg.labels import IGNORE
from driftseg.replay.sampling import Sampler, SamplingSettings, class_counts
from driftseg.replay.transforms import Augmentation, AugmentationSettings, to_batch
from driftseg.scenes.dataset import Dataset, without_depth

REDRAWS = 10
"""Most new crops that are tried if a crop holds too little of its class (HAMLET)."""


class ReplaySettings(SamplingSettings):
    """The source buffer for adaptation."""

    capacity: PositiveInt = 1000
    """Number of scenes in memory; default of HAMLET."""
    augmentation: AugmentationSettings = AugmentationSettings()


class Replay:
    """A bounded buffer of labelled source scenes with rare-class sampling.

    Args:
        dataset: labelled source scenes.
        augmentation: applied to every draw.
        capacity: number of scenes; they are read once, resized to the view and held in memory
            (uint8).
        batch_size: images in a batch.
        rare_classes: rare-class sampling (DAFormer); otherwise uniform sampling.
        temperature: of rare-class sampling.
        minimum_share: least share of a class in a scene that is a candidate for the class. A crop
            is redrawn up to ten times while it holds less than half of that.
        generator: draws the buffer, the batches and the augmentation.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        augmentation: Augmentation,
        capacity: int = 1000,
        batch_size: int = 1,
        rare_classes: bool = True,
        temperature: float = 0.01,
        minimum_share: float = 0.0014,
        generator: np.random.Generator,
    ):
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._minimum_share = minimum_share
        self._generator = generator
        dataset = without_depth(dataset)  # weather on replayed scenes uses their labels
        counts = class_counts(dataset)
        law = {
            "rare_classes": rare_classes,
            "temperature": temperature,
            "minimum_share": minimum_share,
        }
        everything = Sampler(counts, **law, generator=generator)  # type: ignore[arg-type]
        kept = everything.distinct(capacity)
        self.names = [dataset.name(i) for i in kept]
        """Names of the scenes in the buffer."""
        self.frequencies = counts[kept].sum(axis=0)
        """Labelled pixels per class in the buffer, (C,)."""
        self._scenes = [augmentation.fitted(*_labelled(dataset, i)) for i in kept]
        self.unlabelled = 0
        """Number of batches without a labelled pixel; their loss is 0."""
        self._sampler = Sampler(counts[kept], **law, generator=generator)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._scenes)

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return self._batch_size

    @property
    def size(self) -> Size:
        """(width, height) of the images."""
        return self._augmentation.size

    def sample(self, *, uniform: bool = False, rows: slice | None = None) -> SourceBatch:
        """A batch of augmented source images with their labels.

        Args:
            uniform: uniform sampling; otherwise rare-class sampling, if that is set.
            rows: images of the batch to return; None is all. The random draws do not depend on it,
                so several processes with disjoint rows share one batch.
        """
        wanted = range(self._batch_size)[rows or slice(None)]
        labelled, pairs = False, []
        for number in range(self._batch_size):
            image, label = self._draw(uniform, number in wanted)
            labelled |= bool((label != IGNORE).any())
            if image is not None:
                pairs.append((image, label))
        self.unlabelled += not labelled
        return to_batch(pairs)

    def _draw(self, uniform: bool, whole: bool) -> tuple[Image | None, Label]:
        """One image and its label; without ``whole`` only the label, from the same random draws."""
        index, wanted = self._sampler.draw(uniform=uniform)
        scene, truth = self._scenes[index]
        for _ in range(REDRAWS):
            image: Image | None = None
            if whole:
                image, label = self._augmentation(scene, truth, self._generator)
            else:
                label = self._augmentation.label_of(scene, truth, self._generator)
            if wanted is None or (label == wanted).mean() >= self._minimum_share / 2:
                break
        return image, label

    def state_dict(self) -> dict[str, Any]:
        """The state beyond the constructor's arguments: the generator and the count."""
        return {**self._sampler.state_dict(), "unlabelled": self.unlabelled}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a replay with the same arguments."""
        self._sampler.load_state_dict(state)
        self.unlabelled = state.get("unlabelled", 0)


def _labelled(dataset: Dataset, index: int) -> tuple[Image, Label]:
    scene = dataset.scene(index)
    assert scene.label is not None  # class_counts has read every label
    return scene.image, scene.label


def build_replay(
    dataset: Dataset,
    sampling: SamplingSettings,
    augmentation: AugmentationSettings,
    *,
    size: Size,
    view: Size | None = None,
    capacity: int,
    generator: np.random.Generator,
) -> Replay:
    """Labelled batches of ``size`` from scenes resized to ``view`` (or ``size``); reads labels."""
    return Replay(
        dataset,
        augmentation=augmentation.make(dataset.label_space, size=size, view=view),
        capacity=capacity,
        batch_size=sampling.batch_size,
        rare_classes=sampling.rare_classes,
        temperature=sampling.temperature,
        minimum_share=sampling.minimum_share,
        generator=generator,
    )
