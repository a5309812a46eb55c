"""RoTTA: robust statistics, a memory of frames and a slow teacher (Yuan et al., CVPR 2023).

Where we differ: the memory holds a few frames, not 64 images, and learns from them one after
another. A frame holds many classes, so the memory is not balanced by class; timeliness and
uncertainty alone decide. Statistics move by the norm's own momentum (mostly .1; the paper's is .05)
and all passes use the moved ones. The strong view has colour jitter and blur alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from driftseg.frame import Image
from driftseg.learners.answering import answer as answered
from driftseg.learners.contract import NOT_FINITE, Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, FramesOnlySettings, distorted
from driftseg.learners.parts.pixels import entropies, samples
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.roles import Roles
from driftseg.settings import Positive


class RottaSettings(FramesOnlySettings):
    """RoTTA: robust statistics, a memory of frames and a slow teacher."""

    name: Literal["rotta"]
    learning_rate: Positive = 1e-3
    """Adam's, the paper's."""
    memory_frames: PositiveInt = 4
    """Frames in the memory."""
    every: PositiveInt = 4
    """Frames between two steps; the paper has as many as the memory."""
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """1 - nu."""
    timeliness: NonNegativeFloat = 1.0
    """lambda_t: weight of a frame's age in what leaves the memory."""
    uncertainty: NonNegativeFloat = 1.0
    """lambda_u: weight of its entropy."""
    jitter: NonNegativeFloat = 0.2
    """Strength of colour jitter of the strong view."""

    def needs(self) -> Needs:
        """The norms, a teacher, and statistics that follow the target."""
        return Needs(("norms",), "blend", teacher=True)

    def make_learner(self, supplies: Supplies) -> Rotta:
        """With its memory."""
        return Rotta(
            supplies.roles,
            learning_rate=self.learning_rate,
            every=self.every,
            memory=FrameMemory(self.memory_frames, self.timeliness, self.uncertainty),
            teacher_momentum=self.teacher_momentum,
            jitter=self.jitter,
            generator=supplies.numpy("learner"),
        )


@dataclass(eq=False)
class Item:
    """A frame in the memory."""

    image: Image
    uncertainty: float
    """Mean entropy over ln C."""
    age: int = 0
    """Frames since it came."""


class FrameMemory:
    """Keeps young frames that the teacher was sure of (section 3.3).

    Args:
        capacity: frames.
        timeliness: weight of age.
        uncertainty: weight of entropy.
    """

    def __init__(self, capacity: int, timeliness: float, uncertainty: float):
        self.capacity = capacity
        self._timeliness, self._uncertainty = timeliness, uncertainty
        self.items: list[Item] = []

    def score(self, item: Item) -> float:
        """The frame with the largest leaves."""
        old = 1 / (1 + math.exp(-item.age / self.capacity))
        return self._timeliness * old + self._uncertainty * item.uncertainty

    def add(self, image: Image, uncertainty: float) -> None:
        """Takes the place of the worst frame, if that is worse; then all grow older."""
        new = Item(image.copy(), uncertainty)
        if len(self.items) < self.capacity:
            self.items.append(new)
        else:
            worst = max(self.items, key=self.score)
            if self.score(worst) > self.score(new):
                self.items.remove(worst)
                self.items.append(new)
        for item in self.items:
            item.age += 1

    def weight(self, item: Item) -> float:
        """e^-A / (1 + e^-A) of the loss, where A is the age over the capacity."""
        return 1 / (1 + math.exp(item.age / self.capacity))


class Rotta(FramesOnly):
    """Every frame moves the statistics; every few of them the student learns from the memory.

    Args:
        roles: ``norms`` trainable, a teacher, norm statistics ``blend``.
        learning_rate: Adam's.
        every: frames between two steps.
        memory: of frames.
        teacher_momentum: of the moving average.
        jitter: strength of colour jitter.
        generator: draws distortions.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        every: int,
        memory: FrameMemory,
        teacher_momentum: float,
        jitter: float,
        generator: np.random.Generator,
    ):
        super().__init__(roles, learning_rate=learning_rate, optimiser="adam")
        self._every, self._momentum, self._jitter = every, teacher_momentum, jitter
        self.frames = memory
        self._generator = generator
        self._seen = 0
        roles.blend_statistics(1.0)

    @torch.no_grad()
    def output(self, answer: Answer) -> Tensor:
        """The teacher's logits."""
        return self.roles.logits("teacher", self.roles.levels("teacher", answer.walk))

    def learn(self, answer: Answer, order: Order) -> Step:
        """Remembers the frame, moves the statistics, and learns where it is time to."""
        self._before = self.roles.moving_statistics()
        with torch.no_grad():
            entropy = entropies(samples(self.output(answer))).mean()
            finite = torch.isfinite(self.again(answer)).all() & torch.isfinite(entropy)
        value = {"entropy": float(entropy)}
        if not finite:
            return self.undone(value, NOT_FINITE)
        self.frames.add(answer.image, value["entropy"] / math.log(self.roles.network.classes))
        self._seen += 1
        if self._seen % self._every:
            moved = bool(self._before)
            self.updates += moved
            return Step(moved, value)
        step = self._learn_from_memory(order)
        if step.made:
            self.roles.move_teacher(self._momentum)
        return step

    def _learn_from_memory(self, order: Order) -> Step:
        """Gradients are added up over the frames, so that one pass is held at a time."""
        total = torch.zeros((), device=self.roles.device)
        sums: dict[str, Tensor] = {}
        for item in self.frames.items:
            weight = self.frames.weight(item) / len(self.frames.items)
            with torch.no_grad():
                again = answered(self.roles, item.image)
                teacher = samples(self.output(again)).softmax(dim=1)
            view = distorted(again, strength=self._jitter, generator=self._generator)
            student = samples(self.other(view)).log_softmax(dim=1)
            loss = -weight * (teacher * student).sum(dim=1).mean()
            for name, gradient in self.gradients(loss).items():
                sums[name] = sums[name] + gradient if name in sums else gradient
            total = total + loss.detach()
        return self.step(total, order, {}, sums)

    def memory(self) -> dict[str, Any]:
        """Frames with what decides about them, the count and the generator."""
        items = self.frames.items
        return {
            "images": [item.image for item in items],
            "uncertainties": [item.uncertainty for item in items],
            "ages": [item.age for item in items],
            "seen": self._seen,
            "generator": self._generator.bit_generator.state,
        }

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with them."""
        columns = (state["images"], state["uncertainties"], state["ages"])
        self.frames.items = [Item(*row) for row in zip(*columns, strict=True)]
        self._seen = state["seen"]
        self._generator.bit_generator.state = state["generator"]
