"""ASR: resets only when the model collapses, and only its last layers (Lim et al., ICLR 2026).

"When and Where to Reset Matters for Long-Term Test-Time Adaptation", with the rules and constants
of its released code, over TENT's step. When: the entropy of the mean prediction falls below its own
moving average, whose momentum follows how many answers differ from the source's. Where: of the
trainable tensors, from input to output, a first share stays and the rest returns to the source; the
deeper the fall, the smaller the share.

Where we differ: the paper's average starts at ln(C / 2), as if classes were balanced. Those of a
street are not, so here it starts at the source model's value for the same frame plus ln(1 / 2).
The mean is over pixels. The paper's second and third part, its importance-aware regulariser and its
adjustment of it, are left out.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, NormTrainingSettings
from driftseg.learners.parts.losses import entropy
from driftseg.learners.parts.pixels import entropies, samples
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.roles import Roles
from driftseg.settings import Positive, Share


class AsrSettings(NormTrainingSettings):
    """ASR: TENT's step, with resets of the last layers when the model collapses."""

    name: Literal["asr"]
    learning_rate: Positive = 1e-5
    """Adam's, as tent's."""
    start: Share = 0.5
    """alpha_0: the average starts at the source's value plus its logarithm; above 0."""
    momentum: Share = 0.15
    """mu_0: what one frame can move the average by where no answer differs from the source's."""
    kept: Share = 0.5
    """r_0: share of the tensors that stay at the slightest fall."""
    depth: NonNegativeFloat = 20.0
    """lambda_r: how much smaller that share is per nat of the fall."""

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """The norms, and the static model to compare with."""
        return Needs(("norms",), self.norm_statistics, static="whole")

    def make_learner(self, supplies: Supplies) -> Asr:
        """With its rules."""
        return Asr(
            supplies.roles,
            learning_rate=self.learning_rate,
            start=self.start,
            momentum=self.momentum,
            kept=self.kept,
            depth=self.depth,
        )


class Asr(FramesOnly):
    """One step of Adam on the entropy, then perhaps a reset.

    Args:
        roles: ``norms`` trainable, and the whole static role.
        learning_rate: Adam's.
        start: share of classes at which the average starts.
        momentum: of a frame, at most.
        kept: share of tensors that stay, at most.
        depth: how fast that share falls.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        start: float,
        momentum: float,
        kept: float,
        depth: float,
    ):
        super().__init__(roles, learning_rate=learning_rate, optimiser="adam")
        self._start, self._momentum = math.log(max(start, 1e-12)), momentum
        self._kept, self._depth = kept, depth
        self._source = self.copies()
        self._average: float | None = None

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step; the answer before it says whether the model has collapsed."""
        logits = self.student(answer)
        with torch.no_grad():
            static = self.roles.logits("static", self.roles.levels("static", answer.walk))
            flipped = (static.argmax(dim=1) != logits.argmax(dim=1)).float().mean()
            told = {
                "spread": spread(logits),
                "source_spread": spread(static),
                "flipped": flipped,
            }
        step = self.step(entropy(logits), order, told)
        if not step.made:
            return step
        values = dict(step.losses)
        values["reset"] = self._watch(values["spread"], values["source_spread"], values["flipped"])
        return Step(True, values, step.reward_loss, step.learning_rate)

    def _watch(self, now: float, source: float, flipped: float) -> float:
        """Moves the average, or resets; the share of tensors that was reset."""
        average = source + self._start if self._average is None else self._average
        if now >= average:
            stays = 1 - self._momentum * (1 - flipped)
            self._average = stays * average + (1 - stays) * now
            return 0.0
        names = [*self.parameters]
        kept = max(self._kept - self._depth * (average - now), 0.0)
        first = math.ceil(kept * len(names))
        self.put({name: self._source[name] for name in names[first:]})
        self.optimiser.state.clear()
        self._average = None
        return 1 - first / len(names)

    def memory(self) -> dict[str, Any]:
        """The average."""
        return {"average": self._average}

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with it."""
        self._average = state["average"]


def spread(logits: Tensor) -> Tensor:
    """Entropy of the softmax of the mean logits, in nats: low where few classes are predicted."""
    return entropies(samples(logits).mean(dim=0, keepdim=True))[0]
