"""The loss of masked image consistency, on self-training (MIC, Hoyer et al., CVPR 2023).

As in the released code the pseudo-labels and weights are those of the mixed image, the colour of
the frame is distorted first, and blocks are drawn one by one. Where we differ: hidden pixels get
the frame's mean colour, not the one that the network's normalisation maps to 0, and the block's
side scales with the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.parts.classmix import Mixed
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.losses import weighted_cross_entropy
from driftseg.learners.self_training import SelfTraining
from driftseg.learners.settings import SourceBatches
from driftseg.models.network import Walk
from driftseg.models.roles import Roles
from driftseg.models.sending import sent

ROWS = 512
"""Of the frames for which the paper states the block's side."""


@dataclass(frozen=True)
class Masking:
    """How a frame is hidden, and what the loss weighs."""

    ratio: float
    """Share of blocks that is hidden."""
    block: float
    """Side of a block in pixels, in a frame of 512 rows."""
    weight: float
    """Of the loss."""

    def seen(self, size: tuple[int, int], generator: np.random.Generator) -> Tensor:
        """Whether each pixel (H, W) can be seen; every block is drawn alone (equation 6)."""
        side = self.block * size[0] / ROWS
        blocks = [max(1, round(length / side)) for length in size]
        drawn = torch.from_numpy(generator.random(blocks) > self.ratio)
        return F.interpolate(drawn[None, None].float(), size, mode="nearest")[0, 0] > 0.5

    def hide(self, images: Tensor, generator: np.random.Generator) -> Tensor:
        """Images (B, 3, H, W) with the same blocks hidden."""
        seen = self.seen((images.shape[2], images.shape[3]), generator)
        return torch.where(sent(seen, images), images, images.mean(dim=(2, 3), keepdim=True))


class MaskedTraining(SelfTraining):
    """Self-training with one more loss; the number ``mixed`` of its steps holds both.

    Args:
        roles: as of `SelfTraining`.
        replay: as of `SelfTraining`.
        masking: hides blocks.
        settings: as of `SelfTraining`.
    """

    def __init__(self, roles: Roles, replay: SourceBatches, *, masking: Masking, **settings: Any):
        super().__init__(roles, replay, **settings)
        self._masking = masking
        self._frame: tuple[Tensor, Tensor, Tensor] | None = None
        self._masked: Tensor | None = None

    def learn(self, answer: Answer, order: Order) -> Step:
        """Self-training's step, and the new loss alone for the record."""
        step = super().learn(answer, order)
        self._frame = None
        if self._masked is None:
            return step
        return replace(step, losses={**step.losses, "masked": float(self._masked)})

    @torch.no_grad()
    def pseudo_labels(
        self, images: Tensor, walk: Walk, source_confidence: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        """The teacher's, kept for the masked frame, too."""
        labels, weights = super().pseudo_labels(images, walk, source_confidence)
        self._frame = (images, labels, weights)
        return labels, weights

    def _mixed_loss(self, mixed: Mixed) -> Tensor:
        plain = super()._mixed_loss(mixed)  # first, so that dropout draws for it as in DACS
        assert self._frame is not None
        images, labels, weights = self._frame
        distorted = jitter_and_blur(
            images.cpu(), strength=self._mixing.jitter, blur=self._mixing.blur,
            generator=self._mixing.generator,
        )  # fmt: skip
        hidden = sent(self._masking.hide(distorted, self._mixing.generator), images)
        masked = weighted_cross_entropy(self._pass(hidden), labels, weights)
        self._masked = masked.detach()
        return plain + self._masking.weight * masked
