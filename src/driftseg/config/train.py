"""What a source training is set by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from driftseg.labels.classes import Stated as StatedClasses
from driftseg.models.making import ModelSettings
from driftseg.replay.sampling import SamplingSettings
from driftseg.replay.transforms import AugmentationSettings
from driftseg.scenes.datasets import Data
from driftseg.settings import Seed, Settings, Share, TrainableSet


class TrainConfig(Settings):
    """``driftseg train``: a source model from labelled scenes."""

    out: Path
    """Folder for checkpoints and log."""
    model: ModelSettings = ModelSettings()
    data: Data
    """Labelled source scenes to learn from."""
    validation: Data
    """Labelled scenes to choose the best checkpoint by."""
    classes: StatedClasses | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of folders of labels whose sections state none; the checkpoint keeps them."""
    augmentation: AugmentationSettings = AugmentationSettings()
    sampling: SamplingSettings = SamplingSettings(batch_size=8)
    train: TrainableSet = ["encoder", "head"]
    """The whole trainable set; leave out ``encoder`` to freeze it."""
    steps: Annotated[int, Field(ge=0)] = 2000
    """Of encoder and head; 0 trains the early head alone, on the weights given."""
    early_head_steps: Annotated[int, Field(ge=0)] = 200
    """Steps of the early head at the end, everything else frozen; 0 leaves it untrained."""
    early_head_rare_classes: bool = False
    """Whether the early head is trained on rare classes first, too; its cross-entropy, which is
    HAMLET's drift signal, reaches further when it is not."""
    learning_rate: Annotated[float, Field(gt=0)] = 6e-5
    """Of the encoder; SegFormer's."""
    head_factor: Annotated[float, Field(gt=0)] = 10.0
    """Learning rate of the heads over the encoder's; SegFormer's."""
    weight_decay: NonNegativeFloat = 0.01
    warm_up: Annotated[int, Field(ge=0)] = 100
    """Steps of linear warm-up."""
    class_weight: Share = 0.0
    """Power of median-frequency class weights; 0 is off."""
    validate_every: PositiveInt = 500
    choose: Literal["best", "last"] = "best"
    """Whether best.safetensors is chosen by validation, or simply the last, so that no score is
    flattered by having been chosen by."""
    half: bool = False
    """Store matrices in 16 bits."""
    accumulate: PositiveInt = Field(default=1, exclude_if=lambda value: value == 1)
    """Parts that each process cuts its share of a batch into, to save memory; ``batch_size`` stays
    the size of the whole batch."""
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", exclude_if=lambda value: value == "float32"
    )
    """Of the forward pass in training; weights, loss, optimiser and validation stay in float32."""
    sync_batch_norm: bool = Field(default=False, exclude_if=lambda value: not value)
    """Under torchrun on GPUs: batch normalisation takes its statistics over all processes."""
    seed: Seed = 0
    threads: PositiveInt | None = None
    """CPU threads of each process; null leaves torch's choice."""
    device: str = "cpu"
