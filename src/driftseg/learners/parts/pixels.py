"""Losses and filters of test-time adaptation, written for images, with pixels as the samples.

The pixels are those of the head's grid.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def samples(logits: Tensor) -> Tensor:
    """Logits (B, C, h, w) as (pixels, C)."""
    return logits.permute(0, 2, 3, 1).flatten(0, 2)


def entropies(logits: Tensor) -> Tensor:
    """Of every sample (N, C), in nats."""
    result: Tensor = -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1)
    return result


def margin(share: float, classes: int) -> float:
    """E0: a share of the largest entropy, ln C."""
    return share * math.log(classes)


def mean_where(values: Tensor, kept: Tensor) -> Tensor:
    """Mean of the values of kept samples; 0 where none is kept."""
    return torch.where(kept, values, torch.zeros_like(values)).sum() / kept.sum().clamp(min=1)


def unlike(mean: Tensor, logits: Tensor) -> Tensor:
    """Cosine of a mean prediction (C,) with every sample's, (N,)."""
    return F.cosine_similarity(mean[None], logits.softmax(dim=1), dim=1)


def soft_likelihood_ratios(logits: Tensor, *, clip: float = 0.99) -> Tensor:
    """-sum p log(p / (1 - p)) of every sample, with p at most ``clip`` (ROID, section 3.3)."""
    p = logits.softmax(dim=1).clamp(max=clip)
    result: Tensor = -(p * (p / (1 - p) + 1e-5).log()).sum(dim=1)
    return result


def symmetric_cross_entropies(logits: Tensor, others: Tensor) -> Tensor:
    """Half of each direction, of every sample (RMT, CVPR 2023, section 3.1)."""
    forth = -(others.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1)
    back = -(logits.softmax(dim=1) * others.log_softmax(dim=1)).sum(dim=1)
    result: Tensor = 0.5 * forth + 0.5 * back
    return result
