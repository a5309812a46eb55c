"""EATA: least entropy of reliable pixels that are no repetition (Niu et al., ICML 2022).

Where we differ: the samples are the pixels of the head's grid. The Fisher information, which the
paper takes from source images, comes from the first frames of the target, with the answer as the
label as in the paper; these frames are not learnt from. Without it the method is the paper's ETA.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import Tensor
from torch.nn import functional as F

from driftseg.learners.contract import NOT_FINITE, Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, NormTrainingSettings
from driftseg.learners.parts.pixels import entropies, margin, mean_where, samples, unlike
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.roles import Roles
from driftseg.settings import Positive, Share

KEPT = 0.9
"""Of the mean prediction, at every step (section 4.1)."""


class EtaSettings(NormTrainingSettings):
    """Settings that eata and rdumb share."""

    learning_rate: Positive = 2.5e-4
    """SGD's, the paper's for ImageNet."""
    entropy_margin: Share = 0.4
    """A pixel is reliable when its entropy is below this share of ln C (E0)."""
    redundancy: Share = 0.4
    """A pixel is new when the cosine of its prediction with the mean prediction is below this:
    the paper's for ten classes; .05 for a thousand."""

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """The norms."""
        return Needs(("norms",), self.norm_statistics)


class EataSettings(EtaSettings):
    """EATA: least entropy of reliable and new pixels, near the source."""

    name: Literal["eata"]
    fisher_frames: NonNegativeInt = 4
    """First frames, which give the Fisher information; 0 leaves the regulariser out."""
    fisher_weight: NonNegativeFloat = 2000.0
    """beta of equation 8."""

    def make_learner(self, supplies: Supplies) -> Eata:
        """With its regulariser."""
        return Eata(
            supplies.roles,
            learning_rate=self.learning_rate,
            entropy_margin=self.entropy_margin,
            redundancy=self.redundancy,
            fisher_frames=self.fisher_frames,
            fisher_weight=self.fisher_weight,
        )


class Eata(FramesOnly):
    """One step of SGD on the weighted entropy of the pixels that pass both filters.

    Args:
        roles: ``norms`` trainable.
        learning_rate: SGD's.
        entropy_margin: as a share of ln C.
        redundancy: largest cosine with the mean prediction.
        fisher_frames: first frames, which give the Fisher information.
        fisher_weight: of the regulariser.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        entropy_margin: float,
        redundancy: float,
        fisher_frames: int = 0,
        fisher_weight: float = 0.0,
    ):
        super().__init__(roles, learning_rate=learning_rate, optimiser="sgd")
        self._margin = margin(entropy_margin, roles.network.classes)
        self._redundancy = redundancy
        self._fisher_frames, self._fisher_weight = fisher_frames, fisher_weight
        self._source = self.copies() if fisher_frames else {}
        self.fisher = {name: torch.zeros_like(tensor) for name, tensor in self._source.items()}
        """Sum of squared gradients of the frames so far."""
        self._fisher_seen = 0
        self._mean: Tensor | None = None

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step, or the Fisher information of one more frame."""
        logits = samples(self.student(answer))
        if self._fisher_seen < self._fisher_frames:
            return self._add_fisher(logits)
        entropy = entropies(logits)
        kept = self._kept(logits.detach(), entropy.detach())
        weights = (self._margin - entropy.detach()).exp()
        loss = mean_where(entropy * weights, kept)
        told = {"entropy": entropy.detach().mean(), "kept": kept.float().mean()}
        if self._fisher_frames:
            loss = loss + self._regulariser()
        if not kept.any() and torch.isfinite(told["entropy"]):
            return self.undone({name: float(value) for name, value in told.items()})
        step = self.step(loss, order, told)
        if step.made:
            self._add_mean(logits.detach(), kept)
        return step

    def _kept(self, logits: Tensor, entropy: Tensor) -> Tensor:
        reliable = entropy < self._margin
        if self._mean is None:
            return reliable
        return reliable & (unlike(self._mean, logits).abs() < self._redundancy)

    def _add_mean(self, logits: Tensor, kept: Tensor) -> None:
        seen = logits[kept].softmax(dim=1).mean(dim=0)
        self._mean = seen if self._mean is None else self._mean.lerp(seen, 1 - KEPT)

    def _add_fisher(self, logits: Tensor) -> Step:
        loss = F.cross_entropy(logits, logits.detach().argmax(dim=1))
        gradients = self.gradients(loss)
        finite = [torch.isfinite(loss), *(torch.isfinite(g).all() for g in gradients.values())]
        value = {"fisher_loss": float(loss.detach())}
        if not all(map(bool, finite)):
            return self.undone(value, NOT_FINITE)
        for name, gradient in gradients.items():
            self.fisher[name] += gradient.square()
        self._fisher_seen += 1
        return self.undone(value)

    def _regulariser(self) -> Tensor:
        """The paper's beta * sum of F (theta - source)^2."""
        distances = [
            (fisher * (self.parameters[name] - self._source[name]).square()).sum()
            for name, fisher in self.fisher.items()
        ]
        return self._fisher_weight / self._fisher_frames * torch.stack(distances).sum()

    def forget(self) -> None:
        """Has no mean prediction any more."""
        self._mean = None

    def memory(self) -> dict[str, Any]:
        """Mean prediction and Fisher information."""
        return {
            "mean": None if self._mean is None else self._mean.clone(),
            "fisher": {name: tensor.clone() for name, tensor in self.fisher.items()},
            "fisher_seen": self._fisher_seen,
        }

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with them."""
        device = self.roles.device
        mean = state["mean"]
        self._mean = None if mean is None else mean.to(device, copy=True)
        self.fisher = {n: t.to(device, copy=True) for n, t in state["fisher"].items()}
        self._fisher_seen = state["fisher_seen"]
