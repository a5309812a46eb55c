"""Batch normalisation with an explicit policy for statistics, independent of ``train()``."""

from __future__ import annotations

import functools
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Statistics = Literal["stored", "batch", "update", "blend"]
"""stored: the file's running statistics. batch: this batch's, storing nothing. update: this
batch's, and the running ones move towards them (ordinary training). blend: between the running ones
and this batch's, storing nothing; no gradient reaches the batch's through it."""


class BatchNorm(nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` with an explicit choice of statistics.

    torch's layer changes its running statistics in every forward pass in training mode, even in
    passes for measurement. Here ``train()`` and ``eval()`` have no effect: the attribute
    ``statistics`` decides, and ``norm_statistics`` in `driftseg.models.roles` sets it.
    """

    statistics: Statistics = "stored"
    batch_weight: float = 1.0
    """Under blend, of this batch's statistics; the running ones have the rest."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalises (B, C, H, W) per channel."""
        if self.statistics in ("stored", "blend"):
            blends = self.statistics == "blend"
            mean, var = self.blended(input) if blends else (self.running_mean, self.running_var)
            return F.batch_norm(input, mean, var, self.weight, self.bias, False, 0.0, self.eps)
        update = self.statistics == "update"
        if update and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return F.batch_norm(
            input,
            self.running_mean if update else None,
            self.running_var if update else None,
            self.weight,
            self.bias,
            True,
            0.1 if self.momentum is None else self.momentum,
            self.eps,
        )

    @torch.no_grad()
    def blended(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance per channel between the running ones and those of (B, C, H, W)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, var = moments(input)
        weight = self.batch_weight
        return (
            self.running_mean.lerp(mean.to(self.running_mean.dtype), weight),
            self.running_var.lerp(var.to(self.running_var.dtype), weight),
        )


def moments(input: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (without Bessel's correction) per channel of (B, C, H, W)."""
    channels = (0, 2, 3)
    if input.device.type != "cpu":
        var, mean = torch.var_mean(input, dim=channels, correction=0)
        return mean, var
    # On a CPU, var_mean takes about six times as long as these two passes.
    mean = input.mean(dim=channels, dtype=torch.float32, keepdim=True)
    return mean.flatten(), (input - mean).square_().mean(dim=channels)


@functools.cache
def following(kind: type[nn.Module]) -> type[nn.Module]:
    """A subclass of batch normalisation with its own function, under the same policy.

    An example are timm's norms, which include an activation. Their code stays and reads
    ``training``, which is set here for each pass.

    Args:
        kind: a subclass of ``torch.nn.BatchNorm2d`` that keeps running statistics.
    """

    class Following(kind, BatchNorm):  # type: ignore[misc, valid-type]
        def forward(self, *given: Any, **named: Any) -> Any:
            before = self.training, self.track_running_stats
            stored = self.running_mean, self.running_var
            self.training = self.statistics not in ("stored", "blend")
            # without tracking torch takes the batch's statistics and stores nothing
            self.track_running_stats = self.statistics != "batch"
            try:
                if self.statistics == "blend":
                    self.running_mean, self.running_var = self.blended(given[0])
                return kind.forward(self, *given, **named)
            finally:
                self.training, self.track_running_stats = before
                self.running_mean, self.running_var = stored

        def __reduce__(self) -> tuple[Any, ...]:
            return _empty, (kind,), self.__dict__.copy()

    Following.__name__ = kind.__name__
    return Following


def _empty(kind: type[nn.Module]) -> nn.Module:
    """Creates the object for copying and unpickling."""
    made = following(kind)  # type: ignore[arg-type]
    return made.__new__(made)
