"""DACS: self-training on source classes pasted into the target (Tranheden et al., WACV 2021).

It learns from every frame. `driftseg.learners.self_training` has the training step.
"""

from __future__ import annotations

from typing import Literal

from driftseg.control.contract import Order
from driftseg.learners.self_training import SelfTrainingSettings
from driftseg.settings import Positive, Share


class DacsSettings(SelfTrainingSettings):
    """DACS self-training with a mean teacher, on every frame."""

    name: Literal["dacs"]
    learning_rate: Positive = 1.5e-5
    """Of the encoder, HAMLET's; heads have ``head_factor`` times as much."""
    mix_ratio: Share = 0.5
    """Share of a source label's classes that ClassMix pastes."""

    @property
    def plain_order(self) -> Order:
        """Its own rate and share."""
        return Order(True, learning_rate=self.learning_rate, mix_ratio=self.mix_ratio)
