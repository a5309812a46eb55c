"""What every learner can be asked: how weights change, whoever decides when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from driftseg.control.contract import Order, Step
from driftseg.frame import Image
from driftseg.models.network import Walk
from driftseg.models.roles import Roles
from driftseg.models.trainable import load_optimiser_state, optimiser_state

__all__ = ["Answer", "Learner", "Order", "Step", "bring_back", "learnt"]

NOT_FINITE = "not finite"
"""Why a step was not made: its loss was infinite or no number."""


@dataclass(frozen=True)
class Answer:
    """The student's answer to an image, and what it came from."""

    image: Image
    """(H, W, 3) uint8."""
    images: Tensor
    """(1, 3, H, W) in [0, 1]."""
    walk: Walk
    """The shared prefix."""
    logits: Tensor
    """(1, C, h, w)."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return (self.images.shape[2], self.images.shape[3])


class Learner(Protocol):
    """An update rule. It sees images and its own source batches, never a target label.

    A learner undoes a step that is not finite: it checks before the optimiser steps, puts its own
    statistics and gradients back, and says so in the `Step`.

    A learner whose answer is not the student's (a teacher answers, or a prior is corrected) also
    has a method ``output(answer) -> logits``, (1, C, h, w) of any grid. It is called for every
    frame and every evaluation, without gradients, and changes nothing.
    """

    roles: Roles
    updates: int
    """Steps that moved weights or statistics."""
    keeps_graph: bool
    """Whether it learns from the very pass that answered."""

    def look(self, answer: Answer) -> None:
        """Sees a frame, whether it is trained on or not."""
        ...

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step on a frame."""
        ...

    def learnt(self) -> dict[str, Any]:
        """Copies of student, teacher and the optimiser's moments."""
        ...

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with what was learnt at another time; all else stays."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact continuation needs, the roles' state included."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a learner made with the same arguments."""
        ...


def learnt(roles: Roles, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """What `Learner.learnt` gives. Roles that are no part of the learning stay out of it."""
    return {
        "roles": roles.state_dict(leave_out=("static", "offline")),
        "optimiser": optimiser_state(optimiser),
    }


def bring_back(roles: Roles, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """What `Learner.bring_back` does."""
    roles.load_state_dict(state["roles"])
    load_optimiser_state(optimiser, state["optimiser"])
