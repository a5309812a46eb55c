"""What learners have in common that see nothing but frames: test-time adaptation.

No source image and no label reaches them: there is no parameter for either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
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
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.losses import as_numbers
from driftseg.learners.settings import MethodSettings
from driftseg.models.roles import Roles
from driftseg.models.sending import sent
from driftseg.models.trainable import (
    load_optimiser_state,
    optimiser_state,
    parameter_groups,
    set_learning_rate,
)
from driftseg.settings import Positive

Optimiser = Literal["adam", "sgd"]


class FramesOnlySettings(MethodSettings):
    """Settings of every test-time adaptation method."""

    learning_rate: Positive

    @property
    def plain_order(self) -> Order:
        """Its own rate."""
        return Order(True, learning_rate=self.learning_rate)


class NormTrainingSettings(FramesOnlySettings):
    """Settings of those that train weights and biases of norms by the answering pass."""

    norm_statistics: Literal["source", "running", "batch"] = "source"
    """What batch normalisation uses; the papers use the batch's."""


class FramesOnly:
    """One optimiser over the trainable set, with steps that are undone if they are not finite.

    Args:
        roles: whose student learns.
        learning_rate: without an order's.
        optimiser: Adam (betas .9 and .999) or SGD (momentum .9), without weight decay.
        adapter_factor: adapters of the encoder learn this many times as fast.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        optimiser: Optimiser,
        adapter_factor: float = 1.0,
    ):
        self.roles = roles
        self.updates = 0
        """Steps that moved weights or statistics."""
        self.keeps_graph = roles.norm_statistics in ("source", "batch")
        """Elsewhere training needs a pass of its own."""
        self._rate = learning_rate
        self.parameters = {
            name: parameter
            for name, parameter in roles.network.module.named_parameters()
            if name in set(roles.trainable)
        }
        """The trainable set, in the network's order."""
        groups = parameter_groups(
            roles.network, roles.trainable, learning_rate=learning_rate, head_factor=1.0,
            weight_decay=0.0, adapter_factor=adapter_factor,
        )  # fmt: skip
        self.optimiser: torch.optim.Optimizer
        if optimiser == "adam":
            self.optimiser = torch.optim.Adam(groups, lr=learning_rate, betas=(0.9, 0.999))
        else:
            self.optimiser = torch.optim.SGD(groups, lr=learning_rate, momentum=0.9)
        self._before = roles.moving_statistics()

    def look(self, answer: Answer) -> None:
        """Nothing to see."""

    def student(self, answer: Answer) -> Tensor:
        """Logits with gradients, (1, C, h, w); without dropout. It starts a step."""
        self._before = self.roles.moving_statistics()
        return answer.logits if answer.logits.requires_grad else self.again(answer)

    def again(self, answer: Answer) -> Tensor:
        """Logits of one more pass of the student; statistics move where the policy says so."""
        levels = self.roles.levels("student", answer.walk, update=True)
        return self.roles.logits("student", levels, update=True)

    def other(self, images: Tensor) -> Tensor:
        """Logits of the student for other images (B, 3, H, W); no statistics move."""
        return self.roles.logits("student", self.roles.levels("student", self.roles.prefix(images)))

    def step(
        self,
        loss: Tensor,
        order: Order,
        told: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor] | None = None,
    ) -> Step:
        """One step of the optimiser, or none if a number is not finite.

        Args:
            loss: lowered.
            order: whose rate counts.
            told: further numbers for the record.
            gradients: of the trainable tensors by name; None takes the loss's.
        """
        values = as_numbers({**told, "loss": loss})
        if not all(map(math.isfinite, values.values())):
            return self.undone(values, NOT_FINITE)
        rate = self._rate if order.learning_rate is None else order.learning_rate
        set_learning_rate(self.optimiser, rate, same_for_all=order.one_rate)
        self.optimiser.zero_grad(set_to_none=True)
        if gradients is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            for name, gradient in gradients.items():
                self.parameters[name].grad = gradient
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.updates += 1
        return Step(True, values, values["loss"], rate)

    def undone(self, values: Mapping[str, float], reason: str | None = None) -> Step:
        """No step: statistics are as they were before it."""
        self.roles.restore_statistics(self._before)
        return Step(False, values, reason=reason)

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """Of the tensors that learn now, by name; those that the loss does not reach are left out.

        The graph is freed.
        """
        learning = {n: p for n, p in self.parameters.items() if p.requires_grad}
        found = torch.autograd.grad(loss, [*learning.values()], allow_unused=True)
        return {n: g for n, g in zip(learning, found, strict=True) if g is not None}

    def copies(self, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Of the trainable tensors as they stand."""
        wanted = self.parameters if names is None else names
        return {name: self.parameters[name].detach().clone() for name in wanted}

    @torch.no_grad()
    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Gives trainable tensors these values."""
        for name, tensor in tensors.items():
            self.parameters[name].copy_(tensor)

    def learnt(self) -> dict[str, Any]:
        """Weights, overlays and the optimiser's moments."""
        return learnt(self.roles, self.optimiser)

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with them; memories and generators stay as they are."""
        bring_back(self.roles, self.optimiser, state)

    def memory(self) -> dict[str, Any]:
        """What the method keeps beside weights, moments and count, as tensors or plain data."""
        return {}

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with it."""

    def state_dict(self) -> dict[str, Any]:
        """Weights, overlays, moments, count and the method's memory."""
        return {
            "roles": self.roles.state_dict(),
            "optimiser": optimiser_state(self.optimiser),
            "updates": self.updates,
            "memory": self.memory(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        load_optimiser_state(self.optimiser, state["optimiser"])
        self.updates = state["updates"]
        self.load_memory(state["memory"])


def distorted(answer: Answer, *, strength: float, generator: np.random.Generator) -> Tensor:
    """The frame with colour jitter and blur, (1, 3, H, W), on its device.

    The published codes also turn, shift, flip and pad images. Here every pixel keeps its place,
    because its prediction is compared with that of the plain frame.
    """
    changed = jitter_and_blur(
        answer.images.cpu(), strength=strength, blur=True, generator=generator
    )
    return sent(changed, answer.images)
