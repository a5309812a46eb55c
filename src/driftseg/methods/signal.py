"""The drift signal: how much the source model disagrees with the student."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.learners.answering import most_probable
from driftseg.learners.contract import Answer
from driftseg.models.roles import Roles
from driftseg.models.segmenter import upsample

SMALLEST = 32
"""Pixels of a side that shrinking must leave, the deepest stride."""


@torch.no_grad()
def drift_signal(
    roles: Roles, answered: Answer, *, shrink: int = 1, full_resolution: bool = False
) -> float:
    """Mean cross-entropy of the static early head against the student's answer (HAMLET, ICCV 2023).

    It rises with the distance from the source. All pixels count, on the head's grid. Two things
    differ from HAMLET's released code, which takes the whole image and upsamples to its size:

    * the image is shrunk first (`static_level`): at full size the signal saturates in heavy rain
      (docs/results.md);
    * there is no upsampling, which adds no information and takes sixteen times the work.

    A network without an early head is compared whole: the static model's answer takes the place
    of its early head's. Until something is learnt both are the same, and the signal is how unsure
    the model is.

    Args:
        roles: with a static role.
        answered: the student's answer.
        shrink: factor by which the image is made smaller for the early head; small images less.
        full_resolution: compute at the image's size.
    """
    return float(disagreement(
        roles, answered, static_level(roles, answered, shrink=shrink),
        full_resolution=full_resolution,
    ))  # fmt: skip


@torch.no_grad()
def static_level(roles: Roles, answered: Answer, *, shrink: int = 1) -> Tensor:
    """What the signal and a domain's signature look at, (1, C, h, w).

    With an early head: the static model's first level of an image, perhaps made smaller. Once
    the first stage learns, the static model's is another one, and running it on the whole image
    costs a large part of a forward pass of the student; on an image shrunken by ``shrink`` it
    costs little (docs/performance.md). Where the first stage is shared and nothing is shrunk, its
    features are the prefix's.

    Without an early head: the static model's logits of the whole image, for not every network
    takes every size.
    """
    walk = answered.walk
    if "early" not in roles.network.heads:
        return roles.logits("static", roles.levels("static", walk))
    factor = max(1, min(shrink, min(answered.size) // SMALLEST))
    if factor > 1:
        small = (answered.size[0] // factor, answered.size[1] // factor)
        walk = roles.network.start(F.interpolate(answered.images, size=small, mode="area"))
    return roles.levels("static", walk, depth=1)[0]


@torch.no_grad()
def disagreement(
    roles: Roles, answered: Answer, level: Tensor, *, full_resolution: bool = False
) -> Tensor:
    """Mean cross-entropy of the static model's look at an image against the student's answer.

    One number, still on the device, so that nothing waits for it.

    Args:
        roles: with a static role.
        answered: the student's answer.
        level: from `static_level`.
        full_resolution: compute at the image's size.
    """
    static, logits = level, answered.logits
    if "early" in roles.network.heads:
        static = roles.logits("static", (level,), head="early")
    if full_resolution:
        static, logits = upsample(static, answered.size), upsample(logits, answered.size)
    labels = most_probable(logits)
    if labels.shape[1:] != static.shape[2:]:
        nearest = F.interpolate(labels[:, None].float(), size=static.shape[2:], mode="nearest")
        labels = nearest[:, 0].long()
    return F.cross_entropy(static, labels)
