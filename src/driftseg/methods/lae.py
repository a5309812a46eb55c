"""LAE: learning, accumulation, ensemble (Gao et al., ICCV 2023)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from driftseg.control.bank import BankSettings
from driftseg.learners.settings import Composition, Needs, Supplies
from driftseg.methods.remembering import RememberingSettings


class LaeSettings(RememberingSettings):
    """LAE: online adapters and their average predict together; another method trains them."""

    name: Literal["lae"]
    offline_horizon: Annotated[int, Field(ge=2)] = 10_000
    """Number of trained frames that the offline adapters average (momentum 1 - 1 / horizon); LAE's.
    A stream of a few hundred frames needs about 100."""
    head_first: Annotated[int, Field(ge=0)] = 0
    """Number of frames after a change in which only the head learns; LAE: three of five epochs."""
    bank: BankSettings | None = None
    """A bank that stores the trained weights of every domain, too; null stores none."""

    @model_validator(mode="after")
    def _changes_come(self) -> LaeSettings:
        own = self.learner_finds_changes
        if own and self.head_first > 0:
            raise ValueError(
                f"head_first: expected 0, because {self.learner.name} decides itself what "
                f"learns, got {self.head_first}. To fix: set head_first to 0"
            )
        if self.head_first > 0 and "head" not in self.learner.needs().train:
            raise ValueError(
                "head_first: expected head in learner.train, got none. To fix: add head to "
                "learner.train, or set head_first to 0"
            )
        if self.detector is None and not own and (self.head_first > 0 or self.bank is not None):
            raise ValueError(
                "detector: expected a detector for head_first or bank, got null. To fix: set "
                "detector, or set head_first to 0 and bank to null"
            )
        return self

    def needs(self) -> Needs:
        """The learner's needs, and an average of the adapters."""
        return replace(super().needs(), offline=True)

    def make(self, supplies: Supplies) -> Composition:
        """The learner with a memory."""
        return self.compose(
            supplies,
            offline_momentum=1 - 1 / self.offline_horizon,
            first_task=self.drift_detector is not None,
            head_first=self.head_first,
            bank=self.bank,
        )
