"""The source model, never changed: what every other method is measured against."""

from __future__ import annotations

from typing import Any

import torch

from driftseg.frame import Adaptation, Image, Prediction
from driftseg.methods.base import to_images, to_prediction
from driftseg.models.roles import Roles


class SourceOnly:
    """Predicts and never learns.

    Args:
        roles: of the source model, with nothing trainable.
    """

    updates = 0

    def __init__(self, roles: Roles):
        self.roles = roles

    @torch.no_grad()
    def predict(self, image: Image) -> Prediction:
        """The source model's answer."""
        levels = self.roles.levels(
            "student", self.roles.prefix(to_images(image, self.roles.device))
        )
        logits = self.roles.logits("student", levels)
        return to_prediction(logits, (image.shape[0], image.shape[1]))

    def adapt(self) -> Adaptation:
        """Does nothing."""
        return Adaptation(trained=False)

    def state_dict(self) -> dict[str, Any]:
        """Nothing moves."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""
