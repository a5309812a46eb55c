"""SAR: sharpness-aware and reliable least entropy (Niu et al., ICLR 2023).

Where we differ: the samples are the pixels of the head's grid. The paper resets below an average
entropy of .2 for a thousand classes; here the limit is the same share of ln C.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch

from driftseg.learners.contract import NOT_FINITE, Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, NormTrainingSettings
from driftseg.learners.parts.pixels import entropies, margin, mean_where, samples
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.network import head_parts
from driftseg.models.roles import Roles
from driftseg.settings import Positive, Share

KEPT = 0.9
"""Of the average of the second loss, at every step (section 3.3)."""


class SarSettings(NormTrainingSettings):
    """SAR: sharpness-aware least entropy of reliable pixels, with resets."""

    name: Literal["sar"]
    learning_rate: Positive = 2.5e-4
    """SGD's, the paper's for ResNets; 1e-3 for transformers."""
    entropy_margin: Share = 0.4
    """A pixel is reliable when its entropy is below this share of ln C (E0)."""
    radius: Positive = 0.05
    """rho: how far the weights are moved uphill for the second gradient."""
    reset_below: Share = 0.2 / math.log(1000)
    """The source comes back when the average of the second loss is below this share of ln C;
    0 never resets."""

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """The norms."""
        return Needs(("norms",), self.norm_statistics)

    def make_learner(self, supplies: Supplies) -> Sar:
        """One two-step update on a frame."""
        return Sar(
            supplies.roles,
            learning_rate=self.learning_rate,
            entropy_margin=self.entropy_margin,
            radius=self.radius,
            reset_below=self.reset_below,
        )


def lower_norms(roles: Roles) -> tuple[str, ...]:
    """The trainable tensors outside the last walked part and the heads.

    As in the paper, which leaves the top layers alone. All of them where nothing would be left.
    """
    network = roles.network
    top = {*network.order[-1:], *head_parts(network)}
    left_out = {name for part in top for name in network.parts[part]}
    return tuple(n for n in roles.trainable if n not in left_out) or roles.trainable


class Sar(FramesOnly):
    """Two passes and one step of SGD by the gradient at the point uphill.

    Args:
        roles: ``norms`` trainable; those of the last stage and the head do not learn.
        learning_rate: SGD's.
        entropy_margin: as a share of ln C.
        radius: rho.
        reset_below: as a share of ln C.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        entropy_margin: float,
        radius: float,
        reset_below: float,
    ):
        super().__init__(roles, learning_rate=learning_rate, optimiser="sgd")
        roles.learn_only(lower_norms(roles))
        classes = roles.network.classes
        self._margin, self._limit = margin(entropy_margin, classes), margin(reset_below, classes)
        self._radius = radius
        self._first = self.learnt()
        self._average: float | None = None

    def learn(self, answer: Answer, order: Order) -> Step:
        """Uphill by the first gradient, then a step by the second."""
        entropy = entropies(samples(self.student(answer)))
        reliable = entropy.detach() < self._margin
        told = {"entropy": entropy.detach().mean(), "kept": reliable.float().mean()}
        values = {name: float(value) for name, value in told.items()}
        if not reliable.any():
            finite = math.isfinite(values["entropy"])
            return self.undone(values, None if finite else NOT_FINITE)
        here, moved = self.copies(), self.roles.moving_statistics()
        self._climb(self.gradients(mean_where(entropy, reliable)))
        second = entropies(samples(self.again(answer)))
        self.roles.restore_statistics(moved)  # the frame counts once
        kept = reliable & (second.detach() < self._margin)
        loss = mean_where(second, kept)
        gradients = self.gradients(loss)
        self.put(here)
        if not kept.any() and bool(torch.isfinite(second).all()):
            return self.undone(values)
        told["uphill"] = second.detach().mean()
        step = self.step(loss, order, told, gradients)
        if step.made:
            self._watch(step.losses["loss"])
        return step

    @torch.no_grad()
    def _climb(self, gradients: dict[str, torch.Tensor]) -> None:
        """By rho along the gradient (equation 4)."""
        norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
        for name, gradient in gradients.items():
            self.parameters[name].add_(gradient * (self._radius / (norm + 1e-12)))

    def _watch(self, loss: float) -> None:
        """Averages the second loss; below the limit the model has collapsed and is reset."""
        before = self._average
        self._average = loss if before is None else KEPT * before + (1 - KEPT) * loss
        if self._average < self._limit:
            self.bring_back(self._first)
            self._average = None

    def memory(self) -> dict[str, Any]:
        """The average."""
        return {"average": self._average}

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with it."""
        self._average = state["average"]
