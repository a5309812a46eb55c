"""The source model, never changed: what every other method is measured against."""

from __future__ import annotations

from typing import Any, Literal

from driftseg.control.when import Never
from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.settings import Composition, MethodSettings, Needs, Supplies
from driftseg.models.roles import Roles


class SourceOnlySettings(MethodSettings):
    """The source model, never changed."""

    name: Literal["source_only"]

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """Nothing."""
        return Needs()

    def make(self, supplies: Supplies) -> Composition:
        """Never."""
        return Composition(SourceOnly(supplies.roles), Never())


class SourceOnly:
    """Learns nothing.

    Args:
        roles: of the source model, with nothing trainable.
    """

    keeps_graph = False

    def __init__(self, roles: Roles):
        self.roles = roles
        self.updates = 0

    def look(self, answer: Answer) -> None:
        """Nothing to see."""

    def learn(self, answer: Answer, order: Order) -> Step:
        """Nothing to do."""
        return Step(False)

    def learnt(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def bring_back(self, state: dict[str, Any]) -> None:
        """Nothing to bring back."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing moves."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""
