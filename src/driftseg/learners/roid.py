"""ROID: universal test-time adaptation by weighted soft likelihood ratios (Marsden, WACV 2024).

By the formulas of the paper and its released code: certainty and diversity weights, symmetric
cross-entropy with a distorted view, weights pulled to the source after every step, and a prior
correction of the answer. Where we differ: the samples are the pixels of the head's grid, the view
is distorted by colour and blur alone, and the prior is that of one frame.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, NormTrainingSettings, distorted
from driftseg.learners.parts.pixels import (
    entropies,
    samples,
    soft_likelihood_ratios,
    symmetric_cross_entropies,
    unlike,
)
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.roles import Roles
from driftseg.settings import Positive

KEPT = 0.9
"""Of the mean prediction, at every step."""


class RoidSettings(NormTrainingSettings):
    """ROID: weighted soft likelihood ratios, near the source."""

    name: Literal["roid"]
    learning_rate: Positive = 2.5e-4
    """SGD's, the paper's for ImageNet."""
    temperature: Positive = 1 / 3
    """tau of the weights."""
    source_momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    """Of the weights, against the source's, after every step."""
    jitter: NonNegativeFloat = 0.2
    """Strength of colour jitter of the second view."""
    prior_correction: bool = True
    """Whether answers are corrected by the frame's class prior."""

    def needs(self) -> Needs:
        """The norms."""
        return Needs(("norms",), self.norm_statistics)

    def make_learner(self, supplies: Supplies) -> Roid:
        """One step on two views."""
        return Roid(
            supplies.roles,
            learning_rate=self.learning_rate,
            temperature=self.temperature,
            source_momentum=self.source_momentum,
            jitter=self.jitter,
            prior_correction=self.prior_correction,
            generator=supplies.numpy("learner"),
        )


class Roid(FramesOnly):
    """One step of SGD, then a pull to the source.

    Args:
        roles: ``norms`` trainable.
        learning_rate: SGD's.
        temperature: of the weights.
        source_momentum: share of the weights that stays.
        jitter: strength of colour jitter.
        prior_correction: whether answers are corrected.
        generator: draws distortions.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        temperature: float,
        source_momentum: float,
        jitter: float,
        prior_correction: bool,
        generator: np.random.Generator,
    ):
        super().__init__(roles, learning_rate=learning_rate, optimiser="sgd")
        self._temperature, self._stays = temperature, source_momentum
        self._jitter, self._corrects, self._generator = jitter, prior_correction, generator
        self._source = self.copies()
        classes = roles.network.classes
        self._mean = torch.full((classes,), 1 / classes, device=roles.device)

    @torch.no_grad()
    def output(self, answer: Answer) -> Tensor:
        """Logits times the smoothed prior of the frame, as in the released code."""
        logits = answer.logits.detach()
        if not self._corrects:
            return logits
        pixels = samples(logits)
        number, classes = pixels.shape
        prior = pixels.softmax(dim=1).mean(dim=0)
        smooth = max(1 / number, 1 / classes) / prior.max()
        return logits * ((prior + smooth) / (1 + smooth * classes)).view(1, -1, 1, 1)

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step, a pull to the source, and the mean prediction goes on."""
        logits = samples(self.student(answer))
        weights = self.weights(logits.detach())
        view = distorted(answer, strength=self._jitter, generator=self._generator)
        likely = (soft_likelihood_ratios(logits) * weights).mean()
        consistent = symmetric_cross_entropies(samples(self.other(view)), logits)
        consistency = (consistent * weights).mean()
        told = {"likelihood_ratio": likely, "consistency": consistency}
        step = self.step(likely + consistency, order, told)
        if step.made:
            self._pull()
            seen = logits.detach().softmax(dim=1).mean(dim=0)
            self._mean = self._mean.lerp(seen, 1 - KEPT)
        return step

    def weights(self, logits: Tensor) -> Tensor:
        """exp(diversity * certainty / tau) of every pixel; 0 below the mean diversity."""
        diversity = _scaled(1 - unlike(self._mean, logits))
        certainty = _scaled(-entropies(logits))
        weights = (diversity * certainty / self._temperature).exp()
        return torch.where(diversity < diversity.mean(), 0.0, weights)

    @torch.no_grad()
    def _pull(self) -> None:
        for name, parameter in self.parameters.items():
            if parameter.requires_grad:
                parameter.lerp_(self._source[name], 1 - self._stays)

    def memory(self) -> dict[str, Any]:
        """Mean prediction and generator."""
        return {"mean": self._mean.clone(), "generator": self._generator.bit_generator.state}

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with them."""
        self._mean = state["mean"].to(self.roles.device, copy=True)
        self._generator.bit_generator.state = state["generator"]


def _scaled(values: Tensor) -> Tensor:
    """From 0 to 1; 0 where all are the same."""
    spread = values.max() - values.min()
    return (values - values.min()) / spread.clamp(min=1e-12)
