"""The source model, never changed: what every other method is measured against."""

from __future__ import annotations

from typing import Any

from driftseg.frame import Adaptation, Image, Prediction
from driftseg.methods.base import answer, to_prediction
from driftseg.models.roles import Roles


class SourceOnly:
    """Predicts and never learns.

    Args:
        roles: of the source model, with nothing trainable.
    """

    updates = 0

    def __init__(self, roles: Roles):
        self.roles = roles

    def predict(self, image: Image) -> Prediction:
        """The source model's answer."""
        answered = answer(self.roles, image)
        return to_prediction(answered.logits, answered.size)

    def adapt(self) -> Adaptation:
        """Does nothing."""
        return Adaptation(trained=False)

    def state_dict(self) -> dict[str, Any]:
        """Nothing moves."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""
