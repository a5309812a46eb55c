"""TENT: least entropy over the norms' weights and biases (Wang et al., ICLR 2021)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from driftseg.learners.contract import (
    NOT_FINITE,
    Answer,
    Order,
    Step,
    bring_back,
    learnt,
)
from driftseg.learners.parts.losses import entropy
from driftseg.learners.settings import MethodSettings, Needs, Supplies
from driftseg.models.roles import Roles
from driftseg.models.trainable import load_optimiser_state, optimiser_state, set_learning_rate
from driftseg.settings import Positive


class TentSettings(MethodSettings):
    """TENT: least entropy over the norms' weights and biases."""

    name: Literal["tent"]
    learning_rate: Positive = 1e-5
    """Adam's. On CamVid's storm 1e-4 collapsed and 1e-5 held (docs/results.md)."""
    norm_statistics: Literal["source", "running", "batch"] = "source"
    """What batch normalisation uses; TENT's paper says batch."""

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """The norms."""
        return Needs(("norms",), self.norm_statistics)

    @property
    def plain_order(self) -> Order:
        """Its own rate."""
        return Order(True, learning_rate=self.learning_rate)

    def make_learner(self, supplies: Supplies) -> Tent:
        """One step of Adam on a frame."""
        return Tent(supplies.roles, learning_rate=self.learning_rate)


class Tent:
    """One step of Adam on the entropy of the prediction.

    The prediction is the one made before the step (some test-time adaptation collections report the
    one after it). Without batch normalisation, as in MiT, the layer norms are trained.

    Args:
        roles: ``norms`` trainable.
        learning_rate: Adam's.
    """

    def __init__(self, roles: Roles, *, learning_rate: float):
        self.roles = roles
        self.updates = 0
        self._rate = learning_rate
        self.keeps_graph = roles.norm_statistics != "running"
        """Under running, training needs a pass of its own."""
        parameters = dict(roles.network.module.named_parameters())
        trained = [parameters[name] for name in roles.trainable]
        groups = [{"params": trained, "lr": learning_rate, "factor": 1.0}]
        self.optimiser = torch.optim.Adam(groups, lr=learning_rate, betas=(0.9, 0.999))

    def look(self, answer: Answer) -> None:
        """Nothing to see."""

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step."""
        statistics = self.roles.moving_statistics()
        logits = answer.logits if answer.logits.requires_grad else self._forward(answer)
        loss = entropy(logits)
        value = float(loss.detach())
        if not math.isfinite(value):
            self.roles.restore_statistics(statistics)
            return Step(False, {"entropy": value}, reason=NOT_FINITE)
        rate = self._rate if order.learning_rate is None else order.learning_rate
        set_learning_rate(self.optimiser, rate)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.updates += 1
        return Step(True, {"entropy": value}, reward_loss=value, learning_rate=rate)

    def _forward(self, answer: Answer) -> Tensor:
        """Without dropout: TENT draws nothing at random."""
        levels = self.roles.levels("student", answer.walk, update=True)
        return self.roles.logits("student", levels, update=True)

    def learnt(self) -> dict[str, Any]:
        """Weights and Adam's moments."""
        return learnt(self.roles, self.optimiser)

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with them."""
        bring_back(self.roles, self.optimiser, state)

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
