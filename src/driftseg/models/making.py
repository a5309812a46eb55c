"""A network before source training: its settings, and its construction."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from driftseg.models.checkpoints import LoadReport, load_weights
from driftseg.models.segmenter import Segmenter, build_segmenter
from driftseg.settings import Settings

Part = Literal[
    "encoder", "encoder.stage1", "encoder.stage2", "encoder.stage3", "encoder.stage4",
    "head", "early_head", "output_norms",
]  # fmt: skip


class ModelSettings(Settings):
    """The network before source training."""

    encoder: str = "mit_b0"
    head_width: PositiveInt | None = None
    """Embedding width of the heads; null takes the encoder's published one."""
    early_head: bool = True
    """Whether to build and train the head after stage 1."""
    weights: str | None = None
    """A checkpoint file, a Hugging Face folder or hub id, or ``imagenet``; null starts with random
    weights."""
    head_weights: str | None = None
    """Another such source for both heads; ``weights`` is then used only for the encoder."""
    may_stay_random: list[Part] = []
    """Parts that may be missing in the weights; ``output_norms`` for Swin's ImageNet weights."""

    def make(self, *, classes: int) -> tuple[Segmenter, list[LoadReport]]:
        """A segmenter with the named weights, and a load report of each file.

        Raises:
            InputError: there is no such encoder, or a file cannot be used.
        """
        model = build_segmenter(
            self.encoder, classes=classes, head_width=self.head_width, early_head=self.early_head
        )
        apart = self.head_weights is not None
        sources = [
            (self.weights, ["encoder"] if apart else None),
            (self.head_weights, ["head", "early_head"]),
        ]
        reports = [
            load_weights(model, source, parts=parts, may_stay_random=self.may_stay_random)
            for source, parts in sources
            if source is not None
        ]
        return model, reports
