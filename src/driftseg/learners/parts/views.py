"""Scaled and mirrored views of a frame, and what a role says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from driftseg.learners.contract import Answer
from driftseg.models.roles import Role, Roles
from driftseg.models.segmenter import upsample

MULTIPLE = 32
"""The sides of scaled views are multiples of this number of pixels."""


class View(NamedTuple):
    """How a frame is seen."""

    scale: float
    mirrored: bool


def views_of(scales: Sequence[float], *, flip: bool) -> tuple[View, ...]:
    """One view of every scale; with ``flip`` a mirrored one behind each."""
    return tuple(View(scale, m) for scale in scales for m in (False, True)[: 1 + flip])


def probabilities_of(roles: Roles, role: Role, answer: Answer, size: tuple[int, int]) -> Tensor:
    """A role's class probabilities for the plain frame, (1, C, *size)."""
    return upsample(roles.logits(role, roles.levels(role, answer.walk)), size).softmax(dim=1)


def view_probabilities(
    roles: Roles, role: Role, answer: Answer, view: View, size: tuple[int, int]
) -> Tensor:
    """A role's class probabilities for a view of the frame, turned back: (1, C, *size)."""
    if view.scale == 1 and not view.mirrored:
        return probabilities_of(roles, role, answer, size)
    images = answer.images
    if view.scale != 1:
        scaled = [
            max(MULTIPLE, round(side * view.scale / MULTIPLE) * MULTIPLE) for side in answer.size
        ]
        images = F.interpolate(images, scaled, mode="bilinear", align_corners=False)
    images = images.flip(3) if view.mirrored else images
    logits = roles.logits(role, roles.levels(role, roles.prefix(images)))
    logits = logits.flip(3) if view.mirrored else logits
    return upsample(logits, size).softmax(dim=1)
