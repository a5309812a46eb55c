"""Does learning do harm? Student against source model, without a label; the rate follows.

Three measures compare the student with the source model on the present frame and on a source image:

* Disagreement between the answers to a frame and to its mirror image. Both have the same labels, so
  a model that answers them differently is wrong in one of them. Invariance and accuracy go together
  (Deng et al., "On the Strong Correlation Between Model Invariance and Generalization", NeurIPS
  2022).
* Uncertainty on the frame and its mirror image.
* Loss on the source image: what the student forgets.

If the student is worse by one of them, its steps are too large: the learning rate is halved, and
half of what was learnt is given back. Where it is better on frames, by both measures, the rate
doubles, up to the whole. Where it is neither, a small rate returns to what it was at first.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from driftseg.frame import SourceBatch
from driftseg.learners.contract import Answer
from driftseg.learners.parts.losses import (
    mirror_disagreement,
    uncertainty,
    weighted_cross_entropy,
)
from driftseg.learners.parts.way_back import go_back, source_weights
from driftseg.models.roles import Roles
from driftseg.settings import Settings

LEAST_RATE = 1 / 64
"""Share of the learning rate that is always used, so that learning can show that it helps."""


FORGIVEN = 0.01
"""Loss in nats that a student may have beside its share: models that know their source by heart
have hardly any."""
SMALLEST = 1e-6
"""Of a measure that another is compared with."""


class HarmSettings(Settings):
    """When learning counts as harm, and how the rate follows."""

    better: Annotated[float, Field(gt=0, le=1)] = 0.97
    """The student is better if its disagreement and its uncertainty are below this share of the
    source model's."""
    worse: Annotated[float, Field(ge=1)] = 1.02
    """The student is worse if its disagreement or uncertainty is above this many of the source
    model's."""
    forgets: Annotated[float, Field(ge=1)] = 1.1
    """It is worse, too, if its loss on source images is above this many of the source model's."""
    first_rate: Annotated[float, Field(ge=LEAST_RATE, le=1)] = 0.25
    """Share of the learning rate that is used at the start, at least 1/64."""
    every: PositiveInt = 4
    """Frames between two comparisons."""
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.7
    """Share of the averages that a comparison leaves to the ones before it."""


class Harm:
    """Compares student and source model, and says how much of the learning rate to use.

    Args:
        roles: with a whole static role. Statistics that a policy blends in are the same for both.
        settings: of the comparison.
    """

    def __init__(self, roles: Roles, settings: HarmSettings):
        self._roles, self._settings = roles, settings
        self._frames = 0
        self._compared_at = 0
        self._student: Tensor | None = None
        """Disagreement, uncertainty and loss, averaged."""
        self._source: Tensor | None = None
        self.rate = settings.first_rate
        """Share of the learning rate to use."""

    def forget(self) -> None:
        """Other weights took the student's place: what was measured is of the past."""
        self._student = self._source = None
        self.rate = min(self.rate, self._settings.first_rate)

    def see(self) -> None:
        """Counts a frame."""
        self._frames += 1

    @property
    def due(self) -> bool:
        """Whether it is time. Some controllers do not learn from each frame."""
        every = self._settings.every
        return self._frames // every > self._compared_at // every

    @torch.no_grad()
    def compare(self, answer: Answer, batch: SourceBatch) -> bool:
        """One comparison on a frame and a source batch. It sets ``rate``.

        Returns:
            Whether the student was worse. Its weights then went half of the way back.
        """
        self._compared_at = self._frames
        student = self._measured(answer, batch)
        # Its trained tensors alone, under the same policy: the static role takes no statistics of a
        # frame, and adapters that are loaded and do not train add nothing there.
        with self._roles.answering_with(source_weights(self._roles), stored=False):
            source = self._measured(answer, batch)
        if not bool(source.isfinite().all()):
            return False
        self._student = self._averaged(self._student, student)
        self._source = self._averaged(self._source, source)
        settings = self._settings
        frames, loss = self._student[:2], self._student[2]
        of_source, source_loss = self._source[:2] + SMALLEST, self._source[2]
        good = (frames <= settings.worse * of_source).all()
        good &= loss <= settings.forgets * source_loss + FORGIVEN
        if not bool(good):  # what is no number counts as harm
            self.rate = max(self.rate / 2, LEAST_RATE)
            self._student = self._source = None
            go_back(self._roles, 0.5)
            return True
        better = bool((frames < settings.better * of_source).all())
        self.rate = min(2 * self.rate, 1.0 if better else max(self.rate, settings.first_rate))
        return False

    def _measured(self, answer: Answer, batch: SourceBatch) -> Tensor:
        plain, mirrored = self._logits(answer.images), self._logits(answer.images.flip(3))
        with self._roles.unblended():
            loss = weighted_cross_entropy(self._logits(batch.images), batch.labels)
        unsure = uncertainty(torch.cat([plain, mirrored]).float())
        return torch.stack([mirror_disagreement(plain, mirrored), unsure, loss])

    def _averaged(self, before: Tensor | None, now: Tensor) -> Tensor:
        return now if before is None else torch.lerp(now, before, self._settings.memory)

    def _logits(self, images: Tensor) -> Tensor:
        levels = self._roles.levels("student", self._roles.prefix(images))
        return self._roles.logits("student", levels)

    def state_dict(self) -> dict[str, Any]:
        """Count, averages and rate."""
        return {
            "frames": self._frames,
            "compared_at": self._compared_at,
            "student": None if self._student is None else self._student.clone(),
            "source": None if self._source is None else self._source.clone(),
            "rate": self.rate,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        self._frames, self._compared_at = state["frames"], state["compared_at"]
        self.rate = state["rate"]
        self._student, self._source = (
            None if state[name] is None else state[name].to(self._roles.device, copy=True)
            for name in ("student", "source")
        )
