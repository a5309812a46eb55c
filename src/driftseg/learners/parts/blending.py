"""How much of the target's batch-normalisation statistics to use: the least unsure weight.

The target's running statistics help under some shifts and harm under others. So the weight between
the source's statistics and the target's is measured: on every n-th frame the student answers with
each weight of a grid, and the weight with the lowest mean entropy, averaged over the last
measurements, is used from then on. No label is needed. Equal entropies take the smaller weight.

The blend is that of Schneider et al. (NeurIPS 2020), section 3. Entropy as the quantity to make
small is TENT's (Wang et al., ICLR 2021); here it chooses one number, and no weight follows it.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor

from driftseg.learners.contract import Answer
from driftseg.learners.parts.following import follow
from driftseg.learners.parts.losses import entropy
from driftseg.models.roles import Roles
from driftseg.settings import Settings, Share

FAR_SURER = 0.75
"""Share of the blend's entropy that the source's statistics must stay below to answer a frame.
At 1, they answer some frames of dusk that the blend answers better (docs/results_tables.md)."""


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
        roles: norm statistics ``blend``.
        settings: grid, pace, memory and rate.
    """

    def __init__(self, roles: Roles, settings: BlendSettings):
        self._roles, self._settings = roles, settings
        self._frames = 0
        self._unsure: Tensor | None = None
        """Average entropy of each weight, in nats; None before the first measurement."""
        roles.move_statistics_at(settings.rate)
        if len(settings.weights) == 1:
            roles.blend_statistics(settings.weights[0])

    @property
    def active(self) -> bool:
        """Whether the network has statistics to blend."""
        return self._roles.blends

    @torch.no_grad()
    def see(self, answer: Answer) -> bool:
        """Moves the target's statistics to the frame, and measures where it is time.

        Returns:
            Whether anything moved.
        """
        if not self.active:
            return False
        if not follow(self._roles, answer):
            return False
        grid = self._settings.weights
        if len(grid) > 1 and self._frames % self._settings.every == 0:
            self._measure(answer)
        self._frames += 1
        return True

    @torch.no_grad()
    def surer(self, answer: Answer) -> Tensor:
        """Logits of the student with the blend, or with the source's statistics if far surer.

        So a frame that is like the source again is answered well at once, and an evaluation on
        source frames does not suffer from the statistics of the present weather.
        """
        weight = self._roles.blend_weight
        if not self.active or weight == 0:
            return answer.logits
        self._roles.blend_statistics(0.0)
        plain = self._logits(answer)
        self._roles.blend_statistics(weight)
        unsure = torch.stack([entropy(plain), entropy(answer.logits)])
        return plain if bool(unsure[0] <= FAR_SURER * unsure[1]) else answer.logits

    def _measure(self, answer: Answer) -> None:
        grid = self._settings.weights
        found = []
        for weight in grid:
            self._roles.blend_statistics(weight)
            found.append(entropy(self._logits(answer)))
        now = torch.stack(found).float().cpu()
        if self._unsure is None:
            self._unsure = now
        else:
            self._unsure = self._unsure.lerp(now, 1 - self._settings.memory)
        self._roles.blend_statistics(grid[int(self._unsure.argmin())])

    def _logits(self, answer: Answer) -> Tensor:
        return self._roles.logits("student", self._roles.levels("student", answer.walk))

    def state_dict(self) -> dict[str, Any]:
        """Count and average; the statistics and the weight are the roles' state."""
        return {"frames": self._frames, "unsure": self._unsure}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        self._frames, self._unsure = state["frames"], state["unsure"]
