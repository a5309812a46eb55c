"""Cross-entropy of logits upsampled to the image, without ever holding them at that size.

Bilinear upsampling by whole factors gives, for every position of a pixel in its cell (4 x 4 of
them for factors of 4), one map on the grid: a blend of the grid and its neighbours with four fixed
weights. The loss is a sum over pixels, so it can be taken one such map at a time, together with its
gradient; a map is a sixteenth of the image and stays in the processor's cache. Faster
on a CPU than upsampling, cross-entropy and their backward passes: part of what
`benchmarks/three_networks.py` measures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from driftseg.labels import IGNORE


def whole_factors(logits: Tensor, labels: Tensor) -> tuple[int, int] | None:
    """How many times as high and wide the labels (B, H, W) are; None if not by whole numbers."""
    (height, width), (rows, columns) = labels.shape[1:], logits.shape[2:]
    if height % rows or width % columns:
        return None
    return height // rows, width // columns


def upsampled_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor, factors: tuple[int, int]
) -> Tensor:
    """The weighted sum over pixels of the cross-entropy of logits upsampled to the labels.

    Bilinear, corners not aligned; the same as the plain formulation up to rounding, and so is the
    gradient for the logits. There is none for the weights, and no second derivative.

    Args:
        logits: (B, C, h, w).
        labels: (B, h * factors[0], w * factors[1]); 255 counts as 0.
        weights: like labels.
        factors: from `whole_factors`.
    """
    result: Tensor = _UpsampledCrossEntropy.apply(logits, labels, weights, factors)  # type: ignore[no-untyped-call]
    return result


class _UpsampledCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, weights: Tensor, factors: tuple[int, int]
    ) -> Tensor:
        height, width = logits.shape[2:]
        framed = F.pad(logits, (1, 1, 1, 1), mode="replicate").contiguous()
        wanted = ctx.needs_input_grad[0]
        gradient = torch.zeros_like(framed) if wanted else framed
        total = logits.new_zeros(())
        for y, (top, down) in enumerate(_taps(factors[0])):
            between = _blend(framed, 2, top, height, down)
            below = torch.zeros_like(between) if wanted else between
            for x, (left, right) in enumerate(_taps(factors[1])):
                own = (slice(None), slice(y, None, factors[0]), slice(x, None, factors[1]))
                scores = _blend(between, 3, left, width, right)
                loss, slope = _cross_entropy(scores, labels[own], weights[own], wanted)
                total += loss
                if slope is not None:
                    _spread(slope, below, 3, left, width, right)
            if wanted:
                _spread(below, gradient, 2, top, height, down)
        if wanted:
            ctx.save_for_backward(_unframed(gradient))
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream, None, None, None


def _taps(factor: int) -> list[tuple[int, float]]:
    """Per position in a cell the first of two neighbours in a framed map, the second's weight."""
    centres = [(position + 0.5) / factor - 0.5 for position in range(factor)]
    return [(0, at + 1) if at < 0 else (1, at) for at in centres]


def _blend(framed: Tensor, dim: int, first: int, length: int, weight: float) -> Tensor:
    return torch.lerp(
        framed.narrow(dim, first, length), framed.narrow(dim, first + 1, length), weight
    )


def _spread(part: Tensor, framed: Tensor, dim: int, first: int, length: int, weight: float) -> None:
    """The adjoint of `_blend`, added to ``framed``."""
    framed.narrow(dim, first, length).add_(part, alpha=1 - weight)
    framed.narrow(dim, first + 1, length).add_(part, alpha=weight)


def _unframed(framed: Tensor) -> Tensor:
    """The adjoint of the padding: each edge gets what its copy outside got."""
    for dim in (2, 3):
        last = framed.shape[dim] - 1
        framed.select(dim, 1).add_(framed.select(dim, 0))
        framed.select(dim, last - 1).add_(framed.select(dim, last))
    return framed[:, :, 1:-1, 1:-1].contiguous()


def _cross_entropy(
    scores: Tensor, labels: Tensor, weights: Tensor, wanted: bool
) -> tuple[Tensor, Tensor | None]:
    """The weighted sum, and its gradient for the scores (B, C, h, w) if it is wanted."""
    known = labels != IGNORE
    at = torch.where(known, labels, 0)[:, None]
    weight = (weights * known)[:, None]
    logs = scores.log_softmax(dim=1)
    total = -(logs.gather(1, at).masked_fill(~known[:, None], 0) * weight).sum()
    if not wanted:
        return total, None
    return total, logs.exp_().mul_(weight).scatter_add_(1, at, -weight)
