"""Batch-normalisation statistics follow the target; no weight changes.

Every frame updates the running mean and variance (Li et al. 2016, AdaBN; Schneider et al., NeurIPS
2020, for few target images). Layer norms have no statistics. In a network that has batch
normalisation only in its head, only the head adapts.
"""

from __future__ import annotations

from typing import Any, Literal

from driftseg.errors import InputError
from driftseg.learners.contract import NOT_FINITE, Answer, Order, Step
from driftseg.learners.parts.following import follow
from driftseg.learners.settings import MethodSettings, Needs, Supplies
from driftseg.models.roles import Roles


class NormStatisticsSettings(MethodSettings):
    """Batch-normalisation statistics follow the target; no weight changes."""

    name: Literal["norm_statistics"]

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """The norms, whose statistics change."""
        return Needs(("norms",), "running")

    def make_learner(self, supplies: Supplies) -> NormStatistics:
        """One pass of a frame."""
        return NormStatistics(supplies.roles)


class NormStatistics:
    """Updates the running statistics with every predicted frame.

    Args:
        roles: ``norms`` trainable, because their statistics change; norm statistics ``running``.

    Raises:
        InputError: the model has no running statistics.
    """

    keeps_graph = False

    def __init__(self, roles: Roles):
        if not roles.moving_statistics():
            raise InputError(
                "norm_statistics: expected a model with running statistics of batch normalisation, "
                "got none. To fix: take another method"
            )
        self.roles = roles
        self.updates = 0
        """Times the statistics have moved."""

    def look(self, answer: Answer) -> None:
        """Nothing to see."""

    def learn(self, answer: Answer, order: Order) -> Step:
        """One more pass of the frame, in which the statistics move."""
        if not follow(self.roles, answer):
            return Step(False, reason=NOT_FINITE)
        self.updates += 1
        return Step(True)

    def learnt(self) -> dict[str, Any]:
        """The statistics."""
        return {"roles": self.roles.state_dict(leave_out=("static", "offline"))}

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with them."""
        self.roles.load_state_dict(state["roles"])

    def state_dict(self) -> dict[str, Any]:
        """The statistics and the count."""
        return {"roles": self.roles.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        self.updates = state["updates"]
