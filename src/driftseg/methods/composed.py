"""Any controller with any learner: ``method: {control: ..., learner: ...}``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, model_validator

from driftseg.control.contract import Order
from driftseg.control.detectors import DetectorSettings
from driftseg.control.settings import ControlSettings
from driftseg.control.table import CONTROLLERS
from driftseg.control.when import AlwaysSettings
from driftseg.learners.contract import Learner
from driftseg.learners.settings import (
    Composition,
    MethodSettings,
    Needs,
    SignalSettings,
    Supplies,
)
from driftseg.methods.table import METHODS
from driftseg.models.trainable import choices
from driftseg.parts import Pick


class ComposedSettings(MethodSettings):
    """A controller decides when, how much and which parts learn; a learner says how.

    HAMLET is ``control: {kind: after_change}`` with ``learner: {name: dacs}``, but for the
    switches of its released code and for its defaults (docs/methods.md).
    """

    name: Literal["composed"] = "composed"
    control: Annotated[SerializeAsAny[ControlSettings], Pick(CONTROLLERS)] = AlwaysSettings()
    """When to learn: always, every, deadline, after_change, or your own."""
    learner: Annotated[SerializeAsAny[MethodSettings], Pick(METHODS)] = Field(
        examples=["restyled_replay"]
    )
    """How to learn: a method that learns from every frame."""

    @model_validator(mode="after")
    def _learner_has_no_controller(self) -> ComposedSettings:
        own = type(self.learner).make is not MethodSettings.make
        if own:
            raise ValueError(
                "learner: expected a method that learns from every frame, got "
                f"{self.learner.name}, which has a controller of its own. To fix: take another "
                "learner, such as dacs in place of hamlet, or leave out control"
            )
        return self

    def needs(self) -> Needs:
        """The learner's, and a static role where changes are found."""
        needs = self.learner.needs()
        if self.drift_detector is not None and needs.static == "none":
            needs = replace(needs, static="early")
        return replace(needs, learns_at_once=not self.control.chooses and needs.learns_at_once)

    def make(self, supplies: Supplies) -> Composition:
        """The learner under the controller."""
        roles, control = supplies.roles, self.control
        table = choices(roles.network, roles.trainable) if control.chooses else None
        controller = control.make(supplies.control(tuple(table or ()), self.plain_order))
        return Composition(self.make_learner(supplies), controller, choices=table)

    def make_learner(self, supplies: Supplies) -> Learner:
        """The learner's."""
        return self.learner.make_learner(supplies)

    @property
    def plain_order(self) -> Order:
        """The learner's."""
        return self.learner.plain_order

    @property
    def learner_settings(self) -> MethodSettings:
        """Of the method it learns by."""
        return self.learner

    @property
    def random(self) -> bool:
        """Where learner or controller draws."""
        return self.learner.random or self.control.random

    @property
    def drift_detector(self) -> DetectorSettings | None:
        """The controller's."""
        return self.control.drift_detector

    @property
    def signal(self) -> SignalSettings:
        """The controller's."""
        return SignalSettings(self.control.shrink)

    @property
    def needs_calibration(self) -> bool:
        """For the detector, or for what the learner takes."""
        return self.learner.needs_calibration or super().needs_calibration
