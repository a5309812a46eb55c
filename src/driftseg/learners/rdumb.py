"""RDumb: EATA's step, and back to the source every n frames (Press et al., NeurIPS 2023).

As in the paper the step is ETA's, without the Fisher regulariser, and the source comes back after
1000 steps. Where we differ: a step is one frame, not 64 images, and the samples are pixels.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import PositiveInt

from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.eata import Eata, EtaSettings
from driftseg.learners.settings import Supplies
from driftseg.models.roles import Roles


class RDumbSettings(EtaSettings):
    """RDumb: EATA's step, and back to the source every n frames."""

    name: Literal["rdumb"]
    reset_every: PositiveInt = 1000
    """Frames learnt from between two resets."""

    def make_learner(self, supplies: Supplies) -> RDumb:
        """With its interval."""
        return RDumb(
            supplies.roles,
            reset_every=self.reset_every,
            learning_rate=self.learning_rate,
            entropy_margin=self.entropy_margin,
            redundancy=self.redundancy,
        )


class RDumb(Eata):
    """Eata's step with resets of weights, moments and mean prediction.

    Args:
        roles: ``norms`` trainable.
        reset_every: frames between two resets.
        settings: as of `Eata`.
    """

    def __init__(self, roles: Roles, *, reset_every: int, **settings: Any):
        super().__init__(roles, **settings)
        self._every = reset_every
        self._first = self.learnt()
        self._frames = 0

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step; after the last one of an interval the source is back."""
        step = super().learn(answer, order)
        if step.reason is None:
            self._frames += 1
        if self._frames == self._every:
            self._frames = 0
            self.bring_back(self._first)
            self.forget()
        return step

    def memory(self) -> dict[str, Any]:
        """The frames since the last reset, too."""
        return {**super().memory(), "frames": self._frames}

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with them."""
        super().load_memory(state)
        self._frames = state["frames"]
