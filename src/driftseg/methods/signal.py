"""The drift signal: how much the source model's early head disagrees with the student."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.methods.base import most_probable
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Walk, upsample


@torch.no_grad()
def drift_signal(
    roles: Roles, walk: Walk, logits: Tensor, *, size: tuple[int, int] | None = None
) -> float:
    """Mean cross-entropy of the static early head against the student's answer (HAMLET, A.6).

    It rises with the distance from the source. All pixels count, on the head's grid; the
    released code takes the image's size, where bilinear upsampling adds neighbours but no
    news, for sixteen times the work. Where the first stage has never learnt it is in the shared
    prefix and the early head is all that is computed.

    Args:
        roles: with a static role.
        walk: the image's shared prefix.
        logits: the student's, (B, C, h, w).
        size: (H, W) to compute at; None is the head's grid.
    """
    levels = roles.levels("static", walk, depth=1)
    early = roles.logits("static", levels, head="early_head")
    if size is not None:
        early, logits = upsample(early, size), upsample(logits, size)
    return float(F.cross_entropy(early, most_probable(logits)))
