"""The settings of a source training."""

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
    """Settings of ``driftseg train``: a source model from labelled scenes."""

    out: Path
    """Folder for checkpoints and log."""
    model: ModelSettings = ModelSettings()
    """The network and the weights that training starts from."""
    data: Data
    """Labelled source scenes to learn from."""
    validation: Data
    """Labelled scenes that choose the best checkpoint."""
    classes: StatedClasses | None = Field(default=None, exclude_if=lambda value: value is None)
    """Classes of folders of labels whose sections state none. The checkpoint keeps them."""
    augmentation: AugmentationSettings = AugmentationSettings()
    """Random changes of source images and labels."""
    sampling: SamplingSettings = SamplingSettings(batch_size=8)
    """How source scenes are drawn."""
    train: TrainableSet = ["encoder", "head"]
    """Parts of the network that train. Leave out ``encoder`` to freeze it."""
    steps: Annotated[int, Field(ge=0)] = 2000
    """Steps of encoder and head; 0 trains the early head alone, on the given weights."""
    early_head_steps: Annotated[int, Field(ge=0)] = 200
    """Steps of the early head at the end, with everything else frozen; 0 leaves it untrained."""
    early_head_rare_classes: bool = False
    """Whether the early head trains on rare classes first, too. Its cross-entropy is HAMLET's drift
    signal, which covers a wider range when this is false."""
    learning_rate: Annotated[float, Field(gt=0)] = 6e-5
    """Learning rate of the encoder; SegFormer's."""
    head_factor: Annotated[float, Field(gt=0)] = 10.0
    """Learning rate of the heads divided by that of the encoder; SegFormer's."""
    weight_decay: NonNegativeFloat = 0.01
    """Weight decay of AdamW."""
    warm_up: Annotated[int, Field(ge=0)] = 100
    """Steps of linear warm-up."""
    class_weight: Share = 0.0
    """Exponent of median-frequency class weights; 0 turns them off."""
    validate_every: PositiveInt = 500
    """Steps between two validations."""
    choose: Literal["best", "last"] = "best"
    """Whether best.safetensors is the checkpoint with the best validation score, or the last one.
    The last one has no score that selection makes too high."""
    half: bool = False
    """Whether matrices are stored in 16 bits."""
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
    """Seed of everything random in training."""
    threads: PositiveInt | None = None
    """CPU threads of each process; null leaves torch's choice."""
    device: str = "cpu"
    """Device of torch: cpu, cuda, cuda:0."""
