"""Batch normalisation's statistics follow the target; no weight learns.

What many methods gain from a network with batch normalisation, gained alone (Li et al. 2016,
AdaBN; Schneider et al., NeurIPS 2020, for few target images): every frame moves the running mean
and variance. Layer norms have no statistics: a network without batch normalisation is only its
head's.
"""

from __future__ import annotations

from typing import Any

import torch

from driftseg.frame import Adaptation, Image, Prediction
from driftseg.methods.base import Answer, answer, to_prediction
from driftseg.models.roles import Roles


class NormStatistics:
    """Moves running statistics by every frame it has answered.

    Args:
        roles: ``norms`` trainable, so that their statistics may move; under ``running``.
    """

    def __init__(self, roles: Roles):
        self.roles = roles
        self.updates = 0
        """Times the statistics have moved."""
        self._answered: Answer | None = None

    def predict(self, image: Image) -> Prediction:
        """Answers with the statistics as they stand."""
        self._answered = answer(self.roles, image)
        return to_prediction(self._answered.logits, self._answered.size)

    @torch.no_grad()
    def adapt(self) -> Adaptation:
        """One more pass of the frame, in which the statistics move."""
        answered, self._answered = self._answered, None
        if answered is None:
            raise RuntimeError("adapt() learns from a prediction: call predict() first")
        before = self.roles.moving_statistics()
        levels = self.roles.levels("student", answered.walk, update=True)
        logits = self.roles.logits("student", levels, update=True)
        if not torch.isfinite(logits).all():
            self.roles.restore_statistics(before)
            return Adaptation(False)
        self.updates += 1
        return Adaptation(True)

    def state_dict(self) -> dict[str, Any]:
        """The statistics."""
        return {"roles": self.roles.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        self.updates = state["updates"]
