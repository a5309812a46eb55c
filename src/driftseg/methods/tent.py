"""TENT: least entropy over the norms' weights and biases (Wang et al. 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from driftseg.frame import Adaptation, Image, Prediction
from driftseg.learners.parts.losses import entropy, finite
from driftseg.methods.base import to_images, to_prediction
from driftseg.models.roles import Roles
from driftseg.models.trainable import load_optimiser_state, optimiser_state


class Tent:
    """Adapts on every frame by one step of Adam on the prediction's entropy.

    The prediction is the one made before the step (methods A.12; some collections report the
    one after). Without batch normalisation, as in MiT, the layer norms are trained.

    Args:
        roles: ``norms`` trainable.
        learning_rate: Adam's.
    """

    def __init__(self, roles: Roles, *, learning_rate: float):
        self.roles = roles
        self.updates = 0
        self._rate = learning_rate
        parameters = dict(roles.model.named_parameters())
        self.optimiser = torch.optim.Adam(
            [parameters[name] for name in roles.trainable], lr=learning_rate, betas=(0.9, 0.999)
        )
        self._images: Tensor | None = None
        self._logits: Tensor | None = None

    def predict(self, image: Image) -> Prediction:
        """Answers, and keeps the graph for the step unless training needs another pass."""
        self._images = to_images(image, self.roles.device)
        self._logits = self._forward(update=False)
        return to_prediction(self._logits, (image.shape[0], image.shape[1]))

    def adapt(self) -> Adaptation:
        """One step on the frame last predicted."""
        if self._logits is None:
            raise RuntimeError("adapt() learns from a prediction: call predict() first")
        if self.roles.norm_statistics == "running":
            self._logits = self._forward(update=True)
        loss = finite(entropy(self._logits), self.updates)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.updates += 1
        self._logits = None
        return Adaptation(True, {"entropy": float(loss.detach())}, self._rate)

    def _forward(self, *, update: bool) -> Tensor:
        """Without dropout in any case: TENT draws nothing at random."""
        assert self._images is not None
        walk = self.roles.prefix(self._images)
        levels = self.roles.levels("student", walk, update=update)
        return self.roles.logits("student", levels, update=update)

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser and count."""
        return {
            "roles": self.roles.state_dict(),
            "optimiser": optimiser_state(self.optimiser),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        load_optimiser_state(self.optimiser, state["optimiser"])
        self.updates = state["updates"]
