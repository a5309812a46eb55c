"""The drift signal: how much the source model's early head disagrees with the student."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.methods.base import most_probable
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Walk, upsample

SMALLEST = 32
"""Pixels of a side that shrinking must leave, the deepest stride."""


@torch.no_grad()
def drift_signal(
    roles: Roles,
    images: Tensor,
    walk: Walk,
    logits: Tensor,
    *,
    shrink: int = 1,
    full_resolution: bool = False,
) -> float:
    """Mean cross-entropy of the static early head against the student's answer (HAMLET, A.6).

    It rises with the distance from the source. All pixels count, on the head's grid. Two things
    differ from the released code, which looks at the whole image and upsamples to its size:

    * once the first stage learns, the static model's is another one, and running it on the whole
      image costs a large part of a forward pass of the student. On an image shrunken by ``shrink``
      it costs little (docs/performance.md), and heavy rain is told apart better than at full
      size, where the signal saturates (docs/results.md). Where the first stage is shared and
      nothing is shrunk, its features are taken from the prefix;
    * bilinear upsampling to the image's size adds neighbours but no news, for sixteen times the
      work.

    Args:
        roles: with a static role.
        images: (B, 3, H, W) in [0, 1].
        walk: their shared prefix.
        logits: the student's, (B, C, h, w).
        shrink: factor by which the image is made smaller for the early head; small images less.
        full_resolution: compute at the image's size.
    """
    size = (images.shape[2], images.shape[3])
    factor = max(1, min(shrink, min(size) // SMALLEST))
    if factor > 1:
        small = (size[0] // factor, size[1] // factor)
        walk = roles.model.start(F.interpolate(images, size=small, mode="area"))
    levels = roles.levels("static", walk, depth=1)
    early = roles.logits("static", levels, head="early_head")
    if full_resolution:
        early, logits = upsample(early, size), upsample(logits, size)
    labels = most_probable(logits)
    if labels.shape[1:] != early.shape[2:]:
        nearest = F.interpolate(labels[:, None].float(), size=early.shape[2:], mode="nearest")
        labels = nearest[:, 0].long()
    return float(F.cross_entropy(early, labels))
