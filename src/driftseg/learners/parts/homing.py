"""How far the frames are from the source, and the way back to the source model.

The static model is more uncertain of frames that are unlike the source. So the distance is the
static model's mean uncertainty on the last frames over its mean uncertainty on source images. Both
are measured while the method runs; only their ratio counts. At a distance near 1 the frames are
like the source. There the source model is expected to be good. So it takes part in the answer, and
nothing is learnt. Every frame then pulls the trained weights a share of the way back to the
source's.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor

from driftseg.learners.contract import Answer
from driftseg.learners.parts.losses import uncertainty
from driftseg.learners.parts.way_back import go_back
from driftseg.models.roles import Roles
from driftseg.settings import Positive, Settings, Share

SOURCE_MEASUREMENTS = 32
"""About how many of the last measurements on source images are averaged."""
SURER = 4
"""Power of a model's uncertainty that its share of the answer is inverse to, on near frames."""


class HomingSettings(Settings):
    """When frames count as like the source, and how fast the weights then go back."""

    near: Positive = 1.15
    """Distance up to which nothing is learnt, and the surer of source model and student has the
    larger share of the answer."""
    far: Positive = 1.4
    """Distance from which the whole learning rate is used, and the student answers alone; in
    between, a part of the rate."""
    pull: Share = 0.1
    """Share of the way back to the source's weights that a frame goes where nothing is learnt."""
    every: PositiveInt = 4
    """Frames between two measurements."""
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the frames' average that a measurement leaves to the ones before it. The source's
    is the mean of its last `SOURCE_MEASUREMENTS`."""

    @model_validator(mode="after")
    def _near_before_far(self) -> HomingSettings:
        if self.near >= self.far:
            raise ValueError(
                f"far: expected more than near {self.near:g}, got {self.far:g}. To fix: raise far"
            )
        return self


class Homing:
    """Measures the distance and says how much of the learning rate to use.

    Args:
        roles: with a whole static role.
        settings: the two distances, pull, pace and memory.
    """

    def __init__(self, roles: Roles, settings: HomingSettings):
        self._roles, self._settings = roles, settings
        self._frames = 0
        self._here: float | None = None
        """Average uncertainty of the static model on frames."""
        self._source: float | None = None
        """The same on source images."""
        self._measured = 0
        """Measurements on source images."""
        self._source_at = 0
        """Frames at the last of them."""
        self._last: tuple[Answer, Tensor] | None = None
        """The static model's logits for the last frame, so that no frame takes two passes."""

    @torch.no_grad()
    def see(self, answer: Answer) -> None:
        """Looks at a frame, where it is time."""
        if self.due:
            now = float(uncertainty(self._static(answer)))
            kept = self._settings.memory
            self._here = now if self._here is None else kept * self._here + (1 - kept) * now
        self._last = None
        self._frames += 1

    @property
    def due(self) -> bool:
        """Whether the next frame is measured."""
        return self._frames % self._settings.every == 0

    @property
    def source_due(self) -> bool:
        """Whether source images are measured now. Some controllers do not learn from each frame."""
        every = self._settings.every
        return self.distance is None or self._frames // every > self._source_at // every

    @torch.no_grad()
    def see_source(self, images: Tensor) -> None:
        """Looks at source images (B, 3, H, W) in [0, 1], on the device."""
        self._measured += 1
        self._source_at = self._frames
        share = 1 / min(self._measured, SOURCE_MEASUREMENTS)
        levels = self._roles.levels("static", self._roles.prefix(images))
        now = float(uncertainty(self._roles.logits("static", levels)))
        self._source = now if self._source is None else (1 - share) * self._source + share * now

    @torch.no_grad()
    def output(self, answer: Answer) -> Tensor:
        """Logits of source model and student together, by the distance of this frame alone.

        Their probabilities are averaged. Up to ``near``, the surer model has the larger share; from
        ``far`` on, the student answers alone; in between, its share rises. So a frame that is like
        the source again is answered about as well as before, at once.
        """
        if self._source is None:
            return answer.logits
        static = self._static(answer)
        unsure = uncertainty(static)
        share = self._share(unsure, uncertainty(answer.logits), max(self._source, 1e-6))
        mixed = torch.lerp(static.softmax(dim=1), answer.logits.softmax(dim=1), share)
        return torch.where(share < 1, mixed.clamp(min=1e-12).log(), answer.logits)

    def _share(self, static: Tensor, student: Tensor, source: float) -> Tensor:
        """The student's share, from the two models' uncertainty and the source's."""
        near, far = self._settings.near, self._settings.far
        surer = static**SURER / (static**SURER + student**SURER).clamp(min=1e-12)
        away = ((static / source - near) / (far - near)).clamp(0, 1)
        return surer + (1 - surer) * away

    def _static(self, answer: Answer) -> Tensor:
        if self._last is None or self._last[0] is not answer:
            levels = self._roles.levels("static", answer.walk)
            self._last = (answer, self._roles.logits("static", levels))
        return self._last[1]

    @property
    def distance(self) -> float | None:
        """Uncertainty here over that on the source; None before both are known."""
        if self._here is None or self._source is None:
            return None
        return self._here / max(self._source, 1e-6)

    @property
    def strength(self) -> float:
        """Share of the learning rate to use, from 0 (like the source) to 1."""
        distance, near, far = self.distance, self._settings.near, self._settings.far
        return 1.0 if distance is None else min(max((distance - near) / (far - near), 0.0), 1.0)

    def pull(self) -> bool:
        """Goes a share of the way back to the source's weights; whether any weight moved."""
        return go_back(self._roles, self._settings.pull)

    def state_dict(self) -> dict[str, Any]:
        """Count and averages."""
        return {
            "frames": self._frames,
            "here": self._here,
            "source": self._source,
            "measured": self._measured,
            "source_at": self._source_at,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        self._frames, self._measured = state["frames"], state["measured"]
        self._here, self._source = state["here"], state["source"]
        self._source_at = state["source_at"]
