"""HAMLET: when to adapt, which part of the network, and how hard (Colomer et al., ICCV 2023).

The drift signal is the disagreement of the static model with the student. A detector finds changes
in it. A detected change gives a number of training iterations. A selector chooses the stages that
learn. The training step is that of DACS. Switches turn on the differences of the released code.
They are off by default.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import model_validator

from driftseg.control.after_change import ChangeSettings
from driftseg.control.detectors import PUBLISHED_DETECTOR
from driftseg.learners.parts.confidence import ConfidenceSettings
from driftseg.learners.self_training import SelfTrainingSettings
from driftseg.learners.settings import Composition, Needs, SignalSettings, Supplies
from driftseg.models.trainable import choices
from driftseg.settings import Positive, Settings


class ReleasedSettings(Settings):
    """Differences of HAMLET's released code from the paper.

    Each is off unless ``compat: published`` turns all of them on.
    """

    fusion_never_learns: bool = False
    """The head's fusion, norm and classifier keep their values in every choice."""
    one_rate_after_change: bool = False
    """Heads lose ``head_factor`` at the first change."""
    frozen_tensors_drift: bool = False
    """Tensors that do not learn now still change by AdamW's momentum and decay."""
    overlapping_reference: bool = False
    """The reference window is kept and tested against itself."""
    diagnostics_move_statistics: bool = False
    """A pass for logging changes norm statistics and random draws."""
    replay_ignores_capacity: bool = False
    """B1: the replay draws from the whole source whatever the buffer's size."""
    paste_unlabelled: bool = False
    """Q3: unlabelled source pixels can be pasted as if they were a class."""
    full_resolution_signal: bool = False
    """A.6: the signal is computed at the image's size."""


class HamletSettings(ChangeSettings, SelfTrainingSettings):
    """HAMLET: self-training after detected changes, on a chosen part of the network."""

    name: Literal["hamlet"]
    norm_statistics: Literal["source", "running", "batch", "published"] = "running"
    """Under running, statistics move with every trained frame, which is a large part of what a
    network with batch normalisation gains (docs/results.md)."""
    confidence: ConfidenceSettings = ConfidenceSettings(weigh="pixels")
    """The published threshold, pixel by pixel; ``weigh`` is pixels under other rules, too, unless
    set or ``compat: published``. How rules compare: docs/results.md."""
    compat: Literal["published"] | None = None
    """published: the released code's behaviour and its constants wherever they are not set."""
    released: ReleasedSettings = ReleasedSettings()
    learning_rates: tuple[Positive, Positive] = (1.5e-5, 6e-5)
    """Of the encoder, at the source's level and far away; HAMLET's."""

    @model_validator(mode="before")
    @classmethod
    def _published(cls, values: object) -> object:
        """``compat: published`` fills in what is not set."""
        if not isinstance(values, dict):
            return values
        if values.get("compat") != "published":
            given = values.get("confidence")
            if isinstance(given, dict):
                return {**values, "confidence": {"weigh": "pixels", **given}}
            return values
        filled = {
            "norm_statistics": "published",
            "signal_shrink": 1,
            "costs": "published",
            "confidence": {},
            **values,
        }
        switches = filled.get("released", {})
        if isinstance(switches, dict):
            filled["released"] = dict.fromkeys(ReleasedSettings.model_fields, True) | switches
        detector = filled.get("detector", {})
        if isinstance(detector, dict):
            filled["detector"] = PUBLISHED_DETECTOR | detector
        return filled

    def needs(self) -> Needs:
        """An early static role, too; nothing learns before a choice is made."""
        needs = super().needs()
        if needs.static == "none":
            needs = replace(needs, static="early")
        return replace(needs, learns_at_once=False)

    @property
    def signal(self) -> SignalSettings:
        """As set."""
        return SignalSettings(self.signal_shrink, self.released.full_resolution_signal)

    def make(self, supplies: Supplies) -> Composition:
        """Self-training after changes."""
        released = self.released
        learner = self.make_learner(
            supplies,
            hold_everything=released.replay_ignores_capacity,
            paste_unlabelled=released.paste_unlabelled,
            frozen_tensors_drift=released.frozen_tensors_drift,
            diagnostics_move_statistics=released.diagnostics_move_statistics,
        )
        roles = supplies.roles
        table = choices(roles.network, roles.trainable, fusion=not released.fusion_never_learns)
        controller = self.make_control(
            supplies.control(tuple(table), self.plain_order),
            overlapping_reference=released.overlapping_reference,
            one_rate_after_change=released.one_rate_after_change,
        )
        return Composition(learner, controller, choices=table)
