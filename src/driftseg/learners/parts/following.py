"""Batch-normalisation statistics that follow the frames."""

from __future__ import annotations

import torch

from driftseg.learners.contract import Answer
from driftseg.models.roles import Roles


@torch.no_grad()
def follow(roles: Roles, answer: Answer) -> bool:
    """One more pass of the frame, in which the student's statistics move; no weight does.

    Returns:
        Whether they moved. A pass whose logits are not finite is undone.
    """
    before = roles.moving_statistics()
    levels = roles.levels("student", answer.walk, update=True)
    if torch.isfinite(roles.logits("student", levels, update=True)).all():
        return True
    roles.restore_statistics(before)
    return False
