"""Batch normalisation whose statistics follow a stated policy, never ``train()``."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

Statistics = Literal["stored", "batch", "update"]
"""stored: the file's running statistics. batch: this batch's, storing nothing. update: this
batch's, and the running ones move towards them (ordinary training)."""


class BatchNorm(nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` with the choice of statistics made explicit.

    torch's layer changes its running statistics in every forward pass in training mode, also in
    one made only to look at something. Here ``train()`` and ``eval()`` change nothing: the
    attribute ``statistics`` decides, and ``norm_statistics`` in `driftseg.models.roles` sets it.
    """

    statistics: Statistics = "stored"

    def forward(self, input: Tensor) -> Tensor:
        """Normalises (B, C, H, W) per channel."""
        if self.statistics == "stored":
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0,
                self.eps,
            )  # fmt: skip
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
