"""The drift signal: how much the source model's early head disagrees with the student."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.methods.base import Answer, most_probable
from driftseg.models.roles import Roles
from driftseg.models.segmenter import upsample

SMALLEST = 32
"""Pixels of a side that shrinking must leave, the deepest stride."""


@torch.no_grad()
def drift_signal(
    roles: Roles, answered: Answer, *, shrink: int = 1, full_resolution: bool = False
) -> float:
    """Mean cross-entropy of the static early head against the student's answer (HAMLET, A.6).

    It rises with the distance from the source. All pixels count, on the head's grid. Two things
    differ from the released code, which looks at the whole image and upsamples to its size:

    * the image is shrunken first (`first_level`): heavy rain is told apart better than at full
      size, where the signal saturates (docs/results.md);
    * bilinear upsampling to the image's size adds neighbours but no news, for sixteen times the
      work.

    Args:
        roles: with a static role.
        answered: the student's answer.
        shrink: factor by which the image is made smaller for the early head; small images less.
        full_resolution: compute at the image's size.
    """
    level = first_level(roles, answered, shrink=shrink)
    return disagreement(roles, answered, level, full_resolution=full_resolution)


@torch.no_grad()
def first_level(roles: Roles, answered: Answer, *, shrink: int = 1) -> Tensor:
    """The static model's first level of an image, perhaps made smaller, (1, C, h, w).

    Once the first stage learns, the static model's is another one, and running it on the whole
    image costs a large part of a forward pass of the student; on an image shrunken by ``shrink``
    it costs little (docs/performance.md). Where the first stage is shared and nothing is shrunk,
    its features are the prefix's.
    """
    factor = max(1, min(shrink, min(answered.size) // SMALLEST))
    walk = answered.walk
    if factor > 1:
        small = (answered.size[0] // factor, answered.size[1] // factor)
        walk = roles.model.start(F.interpolate(answered.images, size=small, mode="area"))
    return roles.levels("static", walk, depth=1)[0]


@torch.no_grad()
def disagreement(
    roles: Roles, answered: Answer, level: Tensor, *, full_resolution: bool = False
) -> float:
    """Mean cross-entropy of the static early head on its first level against the answer."""
    early, logits = roles.logits("static", (level,), head="early_head"), answered.logits
    if full_resolution:
        early, logits = upsample(early, answered.size), upsample(logits, answered.size)
    labels = most_probable(logits)
    if labels.shape[1:] != early.shape[2:]:
        nearest = F.interpolate(labels[:, None].float(), size=early.shape[2:], mode="nearest")
        labels = nearest[:, 0].long()
    return float(F.cross_entropy(early, labels))
