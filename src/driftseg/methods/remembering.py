"""The settings that lae and bank share: a method that learns, and a memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, PositiveInt, SerializeAsAny, model_validator

from driftseg.control.bank import BankSettings
from driftseg.control.detectors import DetectorSettings
from driftseg.control.when import Always
from driftseg.errors import InputError
from driftseg.learners.settings import (
    Composition,
    MethodSettings,
    Needs,
    SignalSettings,
    Supplies,
)
from driftseg.methods.memory import Memory
from driftseg.methods.table import METHODS
from driftseg.parts import Pick
from driftseg.settings import is_changed


class RememberingSettings(MethodSettings):
    """Settings that lae and bank share."""

    learner: Annotated[SerializeAsAny[MethodSettings], Pick(METHODS)] = Field(
        examples=["restyled_replay"]
    )
    """The method that learns. It must train something that can be kept."""
    detector: DetectorSettings | None = DetectorSettings()
    """The detector of domain changes. The learner hamlet has its own."""
    signal_shrink: PositiveInt = 3
    """Factor that shrinks the image for drift signal and domain signature."""

    @model_validator(mode="after")
    def _one_detector(self) -> RememberingSettings:
        if self.learner_finds_changes and self.detector and is_changed(self, "detector"):
            raise ValueError(
                f"detector: expected none beside {self.learner.name}, which has its own, got "
                "one. To fix: set learner.detector in its place"
            )
        return self

    @model_validator(mode="after")
    def _can_be_remembered_for(self) -> RememberingSettings:
        if not self.learner.needs().train or isinstance(self.learner, RememberingSettings):
            raise ValueError(
                "learner: expected a method that trains something that can be kept, got "
                f"{self.learner.name}. To fix: take another learner, such as restyled_replay"
            )
        return self

    @property
    def learner_finds_changes(self) -> bool:
        """Whether the learner's own controller has a detector."""
        return self.learner.drift_detector is not None

    @property
    def learner_settings(self) -> MethodSettings:
        """Of the method it learns by."""
        return self.learner

    @property
    def drift_detector(self) -> DetectorSettings | None:
        """The learner's own, or this one's."""
        own = self.learner.drift_detector
        return self.detector if own is None else own

    @property
    def signal(self) -> SignalSettings:
        """The learner's where it has a detector."""
        return (
            self.learner.signal
            if self.learner_finds_changes
            else SignalSettings(self.signal_shrink)
        )

    @property
    def needs_calibration(self) -> bool:
        """For the detector, or for what the learner takes."""
        return self.learner.needs_calibration or super().needs_calibration

    def needs(self) -> Needs:
        """The learner's, and an early static role where changes are found."""
        needs = self.learner.needs()
        if self.drift_detector is not None and needs.static == "none":
            needs = replace(needs, static="early")
        return needs

    def compose(self, supplies: Supplies, **memory: Any) -> Composition:
        """The learner's composition, with a detector where it has none, and a memory."""
        made = self.learner.make(supplies)
        given = self.drift_detector
        drift = None if given is None else given.found(supplies.calibration)
        if given is not None and drift is not None and not self.learner_finds_changes:
            if not isinstance(made.controller, Always):
                raise InputError(
                    f"method {self.name}: expected a learner that learns on every frame or finds "
                    f"changes, got {self.learner.name}. To fix: set detector to null"
                )
            made.controller.detector = given.make(drift)
        bank: BankSettings | None = memory.pop("bank")
        return replace(
            made,
            memory=Memory(
                supplies.roles,
                made.learner,
                bank=None if bank is None or drift is None else bank.make_bank(drift.window),
                signal_shrink=self.signal_shrink,
                **memory,
            ),
        )
