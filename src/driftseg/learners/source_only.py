"""The source model without adaptation, the baseline of every other method."""

from __future__ import annotations

from typing import Any, Literal

from driftseg.control.when import Never
from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.settings import Composition, MethodSettings, Needs, Supplies
from driftseg.models.roles import Roles


class SourceOnlySettings(MethodSettings):
    """The source model without adaptation, the baseline."""

    name: Literal["source_only"]

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """It needs nothing."""
        return Needs()

    def make(self, supplies: Supplies) -> Composition:
        """A composition that never learns."""
        return Composition(SourceOnly(supplies.roles), Never())


class SourceOnly:
    """Predicts with the source model and learns nothing.

    Args:
        roles: of the source model, with nothing trainable.
    """

    keeps_graph = False

    def __init__(self, roles: Roles):
        self.roles = roles
        self.updates = 0

    def look(self, answer: Answer) -> None:
        """Does nothing."""

    def learn(self, answer: Answer, order: Order) -> Step:
        """Does nothing."""
        return Step(False)

    def learnt(self) -> dict[str, Any]:
        """An empty dictionary."""
        return {}

    def bring_back(self, state: dict[str, Any]) -> None:
        """Does nothing."""

    def state_dict(self) -> dict[str, Any]:
        """An empty state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Does nothing."""
