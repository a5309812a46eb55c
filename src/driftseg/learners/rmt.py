"""RMT: a robust mean teacher by symmetric cross-entropy (Doebler et al., CVPR 2023).

The source-free part of the method: its warm-up, its contrast with source prototypes and its replay
need source images and are left out. Where we differ: the frame is distorted by colour and blur
alone, so that pixels keep their places, and pixels are the samples.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, FramesOnlySettings, distorted
from driftseg.learners.parts.pixels import samples, symmetric_cross_entropies
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.roles import Roles
from driftseg.settings import Positive, TrainableSet


class RmtSettings(FramesOnlySettings):
    """RMT: a mean teacher by symmetric cross-entropy, without the source."""

    name: Literal["rmt"]
    learning_rate: Positive = 1e-3
    """SGD's. The paper's for ImageNet is .01, with a batch of 64."""
    train: TrainableSet = ["encoder", "head"]
    """Parts of the network that train."""
    norm_statistics: Literal["source", "batch"] = "source"
    """What batch normalisation uses; the paper uses the batch's."""
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    jitter: NonNegativeFloat = 0.2
    """Strength of colour jitter of the second view."""

    def needs(self) -> Needs:
        """A teacher."""
        return Needs(tuple(self.train), self.norm_statistics, teacher=True)

    def make_learner(self, supplies: Supplies) -> Rmt:
        """One step on two views."""
        return Rmt(
            supplies.roles,
            learning_rate=self.learning_rate,
            adapter_factor=supplies.adapter_factor,
            teacher_momentum=self.teacher_momentum,
            jitter=self.jitter,
            generator=supplies.numpy("learner"),
        )


class Rmt(FramesOnly):
    """One step of SGD on the frame and a distorted view of it, both against the teacher.

    Args:
        roles: with a teacher.
        learning_rate: SGD's.
        adapter_factor: adapters of the encoder learn this many times as fast.
        teacher_momentum: of the moving average.
        jitter: strength of colour jitter.
        generator: draws distortions.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        adapter_factor: float = 1.0,
        teacher_momentum: float,
        jitter: float,
        generator: np.random.Generator,
    ):
        super().__init__(
            roles, learning_rate=learning_rate, optimiser="sgd", adapter_factor=adapter_factor
        )
        self._momentum, self._jitter, self._generator = teacher_momentum, jitter, generator

    @torch.no_grad()
    def output(self, answer: Answer) -> Tensor:
        """The sum of the student's and the teacher's logits."""
        return answer.logits.detach() + self._teacher(answer)

    def _teacher(self, answer: Answer) -> Tensor:
        return self.roles.logits("teacher", self.roles.levels("teacher", answer.walk))

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step, then the teacher follows."""
        teacher = samples(self._teacher(answer))
        view = distorted(answer, strength=self._jitter, generator=self._generator)
        plain = symmetric_cross_entropies(samples(self.student(answer)), teacher).mean()
        other = symmetric_cross_entropies(samples(self.other(view)), teacher).mean()
        told = {"plain": plain, "distorted": other}
        step = self.step(0.5 * plain + 0.5 * other, order, told)
        if step.made:
            self.roles.move_teacher(self._momentum)
        return step

    def memory(self) -> dict[str, Any]:
        """The generator."""
        return {"generator": self._generator.bit_generator.state}

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with it."""
        self._generator.bit_generator.state = state["generator"]
