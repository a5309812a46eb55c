"""The way back to the source model's weights."""

from __future__ import annotations

import torch
from torch import Tensor

from driftseg.models.roles import Roles


def source_weights(roles: Roles) -> dict[str, Tensor]:
    """The source model's values of the trainable tensors; for roles with a whole static role."""
    static = roles.overlays["static"]
    return {name: static[name] for name in roles.trainable}


@torch.no_grad()
def go_back(roles: Roles, share: float) -> bool:
    """Moves the student a share of the way to the source's weights.

    A number that is not finite becomes the source's.

    Returns:
        Whether any weight moved.
    """
    moved = False
    source = source_weights(roles)
    for name, parameter in roles.network.module.named_parameters():
        if name in source and not torch.equal(parameter, source[name]):
            nearer = torch.lerp(parameter, source[name], share)
            parameter.copy_(torch.where(nearer.isfinite(), nearer, source[name]))
            moved = True
    return moved
