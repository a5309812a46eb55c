"""Settings and reports of a source training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from driftseg.replay.sampling import Counts

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Recipe:
    """How a source model is trained."""

    steps: int
    """Optimiser steps of encoder and head; 0 trains only the early head."""
    early_head_steps: int = 0
    """Optimiser steps of the early head afterwards, with everything else frozen."""
    early_head_rare_classes: bool = False
    """Whether rare-class sampling also applies to the early head. Its cross-entropy is the drift
    signal. With uniform sampling the signal is lower on the source and rises more."""
    train: tuple[str, ...] = ("encoder", "head")
    learning_rate: float = 6e-5
    """Of the encoder; default of SegFormer."""
    head_factor: float = 10.0
    weight_decay: float = 0.01
    warm_up: int = 100
    """Steps over which the learning rate rises linearly from 0."""
    power: float = 1.0
    """Exponent of the polynomial decay to 0."""
    class_weight: float = 0.0
    """Cross-entropy weights are (median frequency / frequency) to this power; 0 turns them
    off, 1 is Eigen and Fergus' median-frequency balancing."""
    validate_every: int = 500
    """Steps between two validations; the last step is always validated."""
    choose: Literal["best", "last"] = "best"
    """Whether best.safetensors is chosen by validation or is the last checkpoint."""
    half: bool = False
    """Whether checkpoints store matrices in 16 bits."""


@dataclass(frozen=True)
class Execution:
    """How a training step is computed."""

    accumulate: int = 1
    """Number of parts of each process's share of the batch; their gradients are summed."""
    precision: Precision = "float32"
    """Precision of the forward pass. Weights, loss and optimiser stay in float32."""
    sync_batch_norm: bool = False
    """Whether batch normalisation computes its statistics over the images of all processes."""


AT_ONCE = Execution()


@dataclass(frozen=True)
class Progress:
    """Report of one training step."""

    phase: str
    """``main`` or ``early_head``."""
    step: int
    steps: int
    loss: float
    learning_rate: float
    images_per_second: float
    """Images per second of all processes together."""
    mean_iou: float | None = None
    """Percent, at steps with a validation."""
    best: float | None = None
    unlabelled: int = 0
    """Number of batches so far without a labelled pixel; their loss is 0."""


class Interrupted(KeyboardInterrupt):
    """A signal has ended a training. The state after the last whole step is on disk."""

    def __init__(self, phase: str, step: int, steps: int, signal: int):
        super().__init__(f"interrupted in phase {phase} after step {step} of {steps}")
        self.phase = phase
        self.step = step
        self.steps = steps
        self.signal = signal


def learning_rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Linear warm-up, then polynomial decay; ``step`` counts from 0."""
    warm = min(1.0, (step + 1) / recipe.warm_up) if recipe.warm_up > 0 else 1.0
    return float(recipe.learning_rate * warm * (1 - step / steps) ** recipe.power)


def class_weights(frequencies: Counts, power: float) -> Tensor:
    """(median f / f) ** power per class, (C,); 1 for a class without pixels."""
    share = frequencies / frequencies.sum()
    present = share > 0
    weights = np.ones(len(share))
    weights[present] = (np.median(share[present]) / share[present]) ** power
    return torch.tensor(weights, dtype=torch.float32)
