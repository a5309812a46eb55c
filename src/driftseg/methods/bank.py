"""A bank of trained weights for every domain, restored when the domain returns."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from driftseg.control.bank import BankSettings
from driftseg.learners.settings import Composition, Supplies
from driftseg.methods.remembering import RememberingSettings


class BankMethodSettings(RememberingSettings, BankSettings):
    """A bank stores the trained weights of every domain and restores them when it returns."""

    name: Literal["bank"]

    @model_validator(mode="after")
    def _changes_come(self) -> BankMethodSettings:
        if self.drift_detector is None:
            raise ValueError(
                "detector: expected a detector, without which no change is found, got null. To "
                "fix: set detector"
            )
        return self

    def make(self, supplies: Supplies) -> Composition:
        """The learner with a memory."""
        return self.compose(supplies, bank=self)
