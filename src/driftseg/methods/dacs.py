"""DACS: self-training on source classes pasted into the target (Tranheden et al., WACV 2021).

It learns from every frame. `driftseg.learners.self_training` has the training step.
"""

from __future__ import annotations

from typing import Literal

from driftseg.control.when import Always
from driftseg.learners.self_training import SelfTrainingSettings
from driftseg.learners.settings import Composition, Supplies
from driftseg.settings import Positive, Share


class DacsSettings(SelfTrainingSettings):
    """DACS self-training with a mean teacher, on every frame."""

    name: Literal["dacs"]
    learning_rate: Positive = 1.5e-5
    """Of the encoder, HAMLET's; heads have ``head_factor`` times as much."""
    mix_ratio: Share = 0.5
    """Share of a source label's classes that ClassMix pastes."""

    def make(self, supplies: Supplies) -> Composition:
        """Self-training on every frame."""
        controller = Always(learning_rate=self.learning_rate, mix_ratio=self.mix_ratio)
        return Composition(self.make_learner(supplies), controller)
