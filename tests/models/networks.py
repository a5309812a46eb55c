"""Small networks for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from driftseg.models.norm import BatchNorm
from driftseg.models.segmenter import Segmenter
from tiny_networks import build


def network(
    encoder: str = "mit_b0", *, classes: int = 5, seed: int = 0, width: int = 16
) -> Segmenter:
    """Random weights, also in the norms, so that nothing is zero or one by accident."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(encoder, classes=classes, head_width=width)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.1 * torch.randn_like(parameter))
                elif "classifier" in name:
                    parameter.mul_(30)
            for module in model.modules():
                if isinstance(module, BatchNorm):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.8, 1.2)
    return model.eval()


def picture(seed: int = 0, *, batch: int = 1, size: tuple[int, int] = (64, 96)) -> Tensor:
    return torch.rand((batch, 3, *size), generator=torch.Generator().manual_seed(seed))
