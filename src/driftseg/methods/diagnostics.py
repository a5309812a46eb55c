"""How sure every role is of an image: looked at outside the timed part, changing nothing."""

from __future__ import annotations

import torch

from driftseg.frame import Image
from driftseg.learners.answering import certainty, to_images
from driftseg.models.roles import Role, Roles

Certainty = dict[str, float]
"""``confidence`` (mean largest probability) and ``entropy`` (nats), on the head's grid."""


@torch.no_grad()
def diagnose(roles: Roles, image: Image) -> dict[str, Certainty | None]:
    """Confidence and entropy of student, teacher, static model and its early head.

    No pass is in training mode, so no statistic moves and nothing is drawn at random. A role
    that a method does not have, or has only in part, is null. Where the student has never
    learnt anything it is the static model.
    """
    walk = roles.prefix(to_images(image, roles.device))
    found: dict[str, Certainty | None] = dict.fromkeys(
        ("student", "teacher", "static", "static_early")
    )
    names: list[Role] = ["student", *(r for r in ("teacher", "static") if r in roles.overlays)]
    if "static" not in roles.overlays and not roles.trainable:
        names.append("static")
    for role in names:
        of: Role = role if role in roles.overlays else "student"
        whole = of != "static" or roles.static == "whole"
        levels = roles.levels(of, walk, depth=None if whole else 1)
        if whole:
            found[role] = certainty(roles.logits(of, levels))
        if role == "static" and "early" in roles.network.heads:
            found["static_early"] = certainty(roles.logits(of, levels, head="early"))
    return found
