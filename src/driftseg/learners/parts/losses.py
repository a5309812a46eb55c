"""Losses that several methods share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.labels import IGNORE
from driftseg.learners.parts.upsampled_loss import upsampled_cross_entropy, whole_factors
from driftseg.models.segmenter import upsample


def entropy(logits: Tensor) -> Tensor:
    """Mean over pixels of the entropy over classes, in nats; logits (B, C, h, w).

    Wang et al. 2021 (TENT), section 3.1. HAMLET's released code takes the softmax over image rows
    in place of classes. This is the formula of the paper.
    """
    per_pixel: Tensor = -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1)
    return per_pixel.mean()


def uncertainty(logits: Tensor) -> Tensor:
    """Entropy of the pixels over the entropy of their mean, from 0 to 1; logits (B, C, h, w).

    It is 0 if every pixel is certain, and 1 if no pixel says more than the mean does. Entropy alone
    is low, too, if a model answers all pixels with one class; this number is then high. The
    difference of the two entropies is the information that Shi and Sha (ICML 2012) maximise. Where
    the mean is one class with certainty, it is 1.
    """
    shares = logits.softmax(dim=1).mean(dim=(2, 3))
    whole = -(shares * shares.clamp(min=1e-12).log()).sum(dim=1)
    pixels = -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1).mean(dim=(1, 2))
    share = torch.where(whole > 1e-6, pixels / whole.clamp(min=1e-6), 1.0)
    return share.mean()


def mirror_disagreement(logits: Tensor, mirrored: Tensor) -> Tensor:
    """How differently an image and its mirror image are answered, from 0 to 1.

    The Jensen-Shannon divergence of the two predictions, averaged over the pixels, over the entropy
    of the mean of both over all pixels. It is 1 where that entropy is 0: one class with certainty
    tells nothing.

    Args:
        logits: (B, C, h, w) of images.
        mirrored: of the images mirrored left to right, not mirrored back.
    """
    # in single precision at least: in half precision answers that hardly differ become equal
    one, other = (each.float() if each.dtype.itemsize < 4 else each for each in (logits, mirrored))
    one, other = one.softmax(dim=1), other.flip(3).softmax(dim=1)
    both = (one + other) / 2
    apart = _entropy(both) - (_entropy(one) + _entropy(other)) / 2
    whole = _entropy(both.mean(dim=(2, 3)))
    share = apart.mean(dim=(1, 2)).clamp(min=0) / whole.clamp(min=1e-6)
    return torch.where(whole > 1e-6, share, 1.0).mean()


def _entropy(probabilities: Tensor) -> Tensor:
    """In nats, over dimension 1."""
    return -(probabilities * probabilities.clamp(min=1e-12).log()).sum(dim=1)


def as_numbers(told: Mapping[str, Tensor]) -> dict[str, float]:
    """Single numbers on a device, for the record: fetched together, for each fetch waits for it."""
    fetched = torch.stack([tensor.detach() for tensor in told.values()]).tolist()
    return dict(zip(told, fetched, strict=True))


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy, upsampled to the labels, averaged over all pixels.

    Ignored pixels count as 0 and stay in the denominator, as in mmsegmentation and in
    HAMLET's released code.

    Args:
        logits: (B, C, h, w).
        labels: (B, H, W), 255 ignored.
        weights: (B, H, W), or None for 1 everywhere.
    """
    if logits.dtype in (torch.float16, torch.bfloat16):  # as under autocast
        logits = logits.float()
    # In pieces it is quicker on a CPU; a GPU would start sixteen times as many small kernels.
    factors = None if logits.is_cuda else whole_factors(logits, labels)
    if factors is not None:
        each = logits.new_ones(()).expand(labels.shape) if weights is None else weights
        summed = upsampled_cross_entropy(logits, labels, each.to(logits.dtype), factors)
        return summed / labels.numel()
    size = (labels.shape[1], labels.shape[2])
    loss = F.cross_entropy(upsample(logits, size), labels, ignore_index=IGNORE, reduction="none")
    return (loss if weights is None else loss * weights).mean()


def feature_distance(
    features: Tensor,
    reference: Tensor,
    labels: Tensor,
    *,
    classes: Tensor,
    least_share: float = 0.75,
    ignored_class: int,
) -> Tensor:
    """Mean L2 distance over channels where the ground truth is clearly one of ``classes``.

    DAFormer (Hoyer et al. 2022) section 3.3, with HAMLET's reference, the static source model.
    An empty mask gives 0 (the published code gives NaN).

    Args:
        features: the student's deepest level, (B, D, h, w).
        reference: the static role's, (B, D, h, w).
        labels: (B, H, W), 255 ignored.
        classes: ids looked at, (N,).
        least_share: of a cell's pixels that must agree on its class.
        ignored_class: number of classes C; stands for 255 in the vote.
    """
    small = downsample_labels(
        labels, (features.shape[2], features.shape[3]),
        least_share=least_share, ignored_class=ignored_class,
    )  # fmt: skip
    mask = torch.isin(small, classes)
    distance: Tensor = torch.linalg.vector_norm(features - reference, dim=1)
    # Indexing by a mask would make the host wait for the device; this does not.
    return torch.where(mask, distance, 0.0).sum() / mask.sum().clamp(min=1)


def downsample_labels(
    labels: Tensor, size: tuple[int, int], *, least_share: float, ignored_class: int
) -> Tensor:
    """The majority class of each cell, (B, h, w); 255 where it has too small a share."""
    known = torch.where(labels == IGNORE, ignored_class, labels)
    votes = F.one_hot(known, ignored_class + 1).permute(0, 3, 1, 2).float()
    share, winner = F.adaptive_avg_pool2d(votes, size).max(dim=1)
    unclear = (share < least_share) | (winner == ignored_class)
    return torch.where(unclear, IGNORE, winner)
