"""alpha-BN: statistics between the source's and the frame's; no weight changes.

Schneider et al. (NeurIPS 2020), section 3, and You et al., "Test-time batch statistics calibration
for covariate shift" (2021): (1 - alpha) * source + alpha * target, for means and variances. TTN
(Lim et al., ICLR 2023) learns an alpha per layer on source images, which is not done here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import NonNegativeFloat

from driftseg.errors import InputError
from driftseg.learners.contract import NOT_FINITE, Answer, Order, Step
from driftseg.learners.parts.following import follow
from driftseg.learners.settings import MethodSettings, Needs, Supplies
from driftseg.models.roles import Roles
from driftseg.settings import Share


class AlphaBnSettings(MethodSettings):
    """Batch-normalisation statistics between the source's and the frame's; no weight changes."""

    name: Literal["alpha_bn"]
    target: Literal["frame", "running"] = "frame"
    """The target's statistics: those of the frame that is answered (the papers), or running ones
    that every frame moves after it is answered."""
    alpha: Share = 0.1
    """Weight of the target's statistics."""
    prior: NonNegativeFloat | None = None
    """N: source images that the source's statistics count as. If it is set, alpha is 1 / (N + 1),
    as in Schneider et al. for one frame; they find 8 to 128 good."""

    @property
    def random(self) -> bool:
        """It draws nothing."""
        return False

    def needs(self) -> Needs:
        """Nothing that learns."""
        frame = self.target == "frame"
        return Needs(norm_statistics="blend_with_frame" if frame else "blend")

    def make_learner(self, supplies: Supplies) -> AlphaBn:
        """With its alpha."""
        alpha = self.alpha if self.prior is None else 1 / (self.prior + 1)
        return AlphaBn(supplies.roles, alpha=alpha)


class AlphaBn:
    """Blends the statistics; under ``blend`` every frame moves the target's.

    Args:
        roles: norm statistics ``blend`` or ``blend_with_frame``.
        alpha: weight of the target's statistics.

    Raises:
        InputError: the model has no batch normalisation with running statistics.
    """

    keeps_graph = False

    def __init__(self, roles: Roles, *, alpha: float):
        if not roles.blends:
            raise InputError(
                "alpha_bn: expected a model with running statistics of batch normalisation, got "
                "none. To fix: take another method"
            )
        self.roles = roles
        self.updates = 0
        """Times the statistics have moved."""
        roles.blend_statistics(alpha)

    def look(self, answer: Answer) -> None:
        """Nothing to see."""

    def learn(self, answer: Answer, order: Order) -> Step:
        """One more pass, in which running statistics move; nothing with a frame's own."""
        if self.roles.norm_statistics == "blend_with_frame":
            return Step(False)
        if not follow(self.roles, answer):
            return Step(False, reason=NOT_FINITE)
        self.updates += 1
        return Step(True)

    def learnt(self) -> dict[str, Any]:
        """The statistics."""
        return {"roles": self.roles.state_dict(leave_out=("static", "offline"))}

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with them."""
        self.roles.load_state_dict(state["roles"])

    def state_dict(self) -> dict[str, Any]:
        """The statistics and the count."""
        return {"roles": self.roles.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        self.updates = state["updates"]
