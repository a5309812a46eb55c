"""How much of the target's batch-normalisation statistics to use: a weight that is measured.

The target's running statistics help under some shifts and harm under others. So the weight between
the source's statistics and the target's is measured, on every n-th frame that is learnt from. The
source model answers the frame and a source image restyled to the target with each weight of a grid.
The weight is used whose product of two numbers is lowest: uncertainty on the frame, which needs no
label, and cross-entropy on the restyled image, whose label is known. Uncertainty alone often
prefers the target whole. Restyled images are not quite the target, so their loss prefers too little
of it. The product is the careful choice (docs/results.md has the numbers).

The student is not asked, because it prefers the statistics that it trains with. The target's
statistics of the source model are those of the last frames: the student's belong to its weights.

The blend is that of Schneider et al. (NeurIPS 2020), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor

from driftseg.frame import Image, SourceBatch
from driftseg.learners.answering import to_images
from driftseg.learners.contract import Answer
from driftseg.learners.parts.following import follow
from driftseg.learners.parts.losses import uncertainty, weighted_cross_entropy
from driftseg.models.network import Walk
from driftseg.models.roles import Roles
from driftseg.settings import Settings, Share

EARLY = (1, 2, 4)
"""Numbers of frames after which the weight is measured, before the regular interval."""


class BlendSettings(Settings):
    """How the weight of the target's batch-normalisation statistics is chosen."""

    weights: Annotated[list[Share], Field(min_length=1)] = [0.0, 0.25, 0.5, 0.75, 1.0]
    """The grid, ascending. One number alone is used always."""
    every: PositiveInt = 8
    """Frames between two measurements."""
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the average that a measurement leaves to the ones before it."""
    rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    """How far one frame moves the target's statistics."""

    @field_validator("weights")
    @classmethod
    def _ascending(cls, weights: list[float]) -> list[float]:
        if sorted(set(weights)) != weights:
            raise ValueError(
                f"expected ascending numbers, got {weights}. To fix: sort them, each once"
            )
        return weights


class Blending:
    """Moves the target's statistics with every frame, and chooses their weight.

    Args:
        roles: norm statistics ``blend``, with a whole static role if there is more than one weight.
        settings: grid, interval, memory and rate.
    """

    def __init__(self, roles: Roles, settings: BlendSettings):
        self._roles, self._settings = roles, settings
        self._frames = 0
        self._waits = False
        self._scores: Tensor | None = None
        """Average logarithm of the product of each weight; None before the first measurement."""
        self._chosen = settings.weights[0] if len(settings.weights) == 1 else 0.0
        roles.move_statistics_at(settings.rate)
        if self.active:
            roles.blend_statistics(self._chosen)

    @property
    def active(self) -> bool:
        """Whether the network has statistics to blend."""
        return self._roles.blends

    @property
    def due(self) -> bool:
        """Whether the weight is to be measured."""
        return self._waits and self.active and len(self._settings.weights) > 1

    @torch.no_grad()
    def see(self, answer: Answer) -> bool:
        """Moves the target's statistics to the frame.

        Returns:
            Whether anything moved.
        """
        if not self.active or not follow(self._roles, answer):
            return False
        self._frames += 1
        self._waits |= self._frames in EARLY or self._frames % self._settings.every == 0
        return True

    def limit(self, largest: float) -> None:
        """Uses the chosen weight, but at most ``largest``."""
        if self.active:
            self._roles.blend_statistics(min(self._chosen, largest))

    @torch.no_grad()
    def measure(
        self,
        answer: Answer,
        restyled: SourceBatch,
        frames: Sequence[Image],
        *,
        largest: float = 1.0,
    ) -> None:
        """Chooses the weight anew.

        Args:
            answer: to the present frame.
            restyled: source images in the target's appearance, on the device.
            frames: some of the last frames, at least one.
            largest: as of `limit`.
        """
        walk = self._roles.prefix(restyled.images)
        found = []
        with self._source_model(frames):
            for weight in self._settings.weights:
                self._roles.blend_statistics(weight)
                unsure = uncertainty(self._logits(answer.walk))
                loss = weighted_cross_entropy(self._logits(walk), restyled.labels)
                found.append((unsure * loss).clamp(min=1e-12).log())
        now = torch.stack(found).float().cpu()
        self._scores = (
            now if self._scores is None else now.lerp(self._scores, self._settings.memory)
        )
        self._chosen = self._settings.weights[int(self._scores.argmin())]
        self._waits = False
        self.limit(largest)

    def _logits(self, walk: Walk) -> Tensor:
        return self._roles.logits("student", self._roles.levels("student", walk))

    @contextmanager
    def _source_model(self, frames: Sequence[Image]) -> Iterator[None]:
        """Inside, the student is the source model with the target's statistics of the frames."""
        roles, own = self._roles, self._roles.overlays["student"]
        statistics = roles.moving_statistics()
        source = {n: t for n, t in roles.overlays["static"].items() if n not in statistics}
        roles.overlays["student"] = source
        try:
            for number, frame in enumerate(frames, start=1):
                roles.move_statistics_at(1 / number)  # so all frames count the same
                levels = roles.levels(
                    "student", roles.prefix(to_images(frame, roles.device)), update=True
                )
                roles.logits("student", levels, update=True)
            yield
        finally:
            roles.overlays["student"] = own
            roles.move_statistics_at(self._settings.rate)
            roles.restore_statistics(statistics)

    @contextmanager
    def off(self) -> Iterator[None]:
        """Inside, the source's statistics alone are used."""
        weight = self._roles.blend_weight
        if self.active:
            self._roles.blend_statistics(0.0)
        try:
            yield
        finally:
            if self.active:
                self._roles.blend_statistics(weight)

    def state_dict(self) -> dict[str, Any]:
        """Count, average and choice; the statistics and the weight in use are the roles' state."""
        return {
            "frames": self._frames,
            "waits": self._waits,
            "scores": self._scores,
            "chosen": self._chosen,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        self._frames, self._waits = state["frames"], state["waits"]
        self._scores, self._chosen = state["scores"], state["chosen"]
