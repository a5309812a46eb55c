"""The mixed image of self-training: source classes pasted into the frame, then distorted.

Source and frame come from the CPU, and jitter and blur are OpenCV's. So images are mixed there,
and only the pseudo-labels are the device's: nothing waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from driftseg.frame import SourceBatch
from driftseg.learners.parts.classmix import Mixed, choose_classes, paste
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.restyle import Restyling, restyled, to_image
from driftseg.models.sending import sent


@dataclass(frozen=True)
class Mixing:
    """How source and frame are mixed; every draw is the generator's."""

    jitter: float
    """Strength of colour jitter."""
    blur: bool
    """Whether mixed images may be blurred."""
    generator: np.random.Generator
    restyle: Restyling | None = None
    """Gives source images the frame's appearance first; None leaves them as they are."""
    paste_unlabelled: bool = False
    """As the released code, see `choose_classes`."""

    def worn(self, source: SourceBatch, images: Tensor) -> SourceBatch:
        """The source in the frame's appearance, if it is to wear it."""
        if self.restyle is None:
            return source
        references = [to_image(images[0])] * len(source.images)
        worn = restyled(source.images, references, self.restyle, self.generator)
        return SourceBatch(worn, source.labels)

    def mix(
        self,
        images: Tensor,
        source: SourceBatch,
        pseudo_labels: Tensor,
        weights: Tensor,
        ratio: float,
    ) -> Mixed:
        """Pastes a share of the source label's classes, jitters and blurs.

        Args:
            images: the frame, (1, 3, H, W) in [0, 1], on the CPU.
            source: as it is to be pasted, (B, ...), on the CPU.
            pseudo_labels: of the frame, (1, H, W), on the network's device, as the result is.
            weights: of these labels, (1, H, W).
            ratio: share of the source label's classes.
        """
        classes = choose_classes(
            source.labels, ratio=ratio, generator=self.generator,
            paste_unlabelled=self.paste_unlabelled,
        )  # fmt: skip
        mixed = paste(
            source.images, source.labels, images, pseudo_labels,
            weights.expand(source.labels.shape), classes=classes,
        )  # fmt: skip
        distorted = jitter_and_blur(
            mixed.images, strength=self.jitter, blur=self.blur, generator=self.generator
        )
        return Mixed(sent(distorted, pseudo_labels), mixed.labels, mixed.weights)
