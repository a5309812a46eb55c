"""HAMLET: when to adapt, which part of the network, and how hard (Colomer et al., ICCV 2023).

The drift signal is the disagreement of the static model with the student. A detector finds changes
in it. A detected change gives a number of training iterations. A selector chooses the stages that
learn. The training step is that of DACS. Switches turn on the differences of the released code.
They are off by default.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import PositiveInt, model_validator

from driftseg.control.budget import Budget
from driftseg.control.detectors import PUBLISHED_DETECTOR, DetectorSettings
from driftseg.control.selection import (
    PUBLISHED_SPEEDS,
    FixedSelector,
    RandomSelector,
    RewardSelector,
    RoundRobinSelector,
    Selector,
)
from driftseg.control.when import AfterChange
from driftseg.errors import InputError, commas
from driftseg.learners.parts.confidence import ConfidenceSettings
from driftseg.learners.self_training import SelfTrainingSettings
from driftseg.learners.settings import Composition, Needs, SignalSettings, Supplies
from driftseg.models.trainable import choices
from driftseg.settings import Positive, Settings, Share


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


class HamletSettings(SelfTrainingSettings):
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
    detector: DetectorSettings = DetectorSettings()
    signal_shrink: PositiveInt = 3
    """Factor by which the image is made smaller for the drift signal; HAMLET: 1. At 3 the signal
    costs less and tells heavy rains apart better (docs/results.md)."""
    base_iterations: PositiveInt = 750
    """Trained frames granted for a change of one ``rise``. HAMLET's 750 are for domains of 8925
    frames; take about half a visit."""
    most_iterations: PositiveInt = 4450
    """Cap of what is granted, carried-over iterations included; HAMLET's."""
    share_back: tuple[Share, Share] = (0.25, 0.75)
    """Share granted for a change back, at the source's level and far away; HAMLET's."""
    learning_rates: tuple[Positive, Positive] = (1.5e-5, 6e-5)
    """Of the encoder, at the source's level and far away; HAMLET's."""
    rate_policy: Literal["decay", "constant", "burst"] = "decay"
    """How the rate goes on after a change; HAMLET's default (adaptive_slope) is decay."""
    mix_ratios: tuple[Share, Share] = (0.5, 0.25)
    """Of ClassMix, at the source's level and far away; HAMLET's."""
    start_training: bool = False
    """Train ``base_iterations`` from the first frame on; otherwise nothing is trained before the
    first change."""
    selection: Literal[
        "reward", "random", "round_robin", "stage1", "stage2", "stage3", "stage4"
    ] = "reward"
    """Which stages learn: from the chosen one to the last, and the head. stage1..4 are fixed."""
    punish_quick_less: bool = False
    """Whether the reward weighs a loss that rose by 1 - the weight of one that fell. HAMLET's
    released code has such a branch and never takes it. Noise in the losses then favours fast
    choices."""
    costs: Literal["measured", "published", "none"] | None = None
    """What weighs the reward: frames/s measured on this device, HAMLET's constants, or nothing;
    null is measured, or published under ``compat: published``."""
    deadline_ms: Positive | None = None
    """For answering and learning; the choice that trains most and fits is taken, or none."""

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
    def drift_detector(self) -> DetectorSettings:
        """Its own."""
        return self.detector

    @property
    def signal(self) -> SignalSettings:
        """As set."""
        return SignalSettings(self.signal_shrink, self.released.full_resolution_signal)

    def make(self, supplies: Supplies) -> Composition:
        """Self-training after changes."""
        released = self.released
        drift = self.detector.found(supplies.calibration)
        learner = self.make_learner(
            supplies,
            hold_everything=released.replay_ignores_capacity,
            paste_unlabelled=released.paste_unlabelled,
            frozen_tensors_drift=released.frozen_tensors_drift,
            diagnostics_move_statistics=released.diagnostics_move_statistics,
        )
        roles = supplies.roles
        table = choices(roles.network, roles.trainable, fusion=not released.fusion_never_learns)
        costs = self.costs or "measured"
        controller = AfterChange(
            tuple(table),
            detector=self.detector.make(
                drift, overlapping_reference=released.overlapping_reference
            ),
            budget=Budget(
                drift.levels,
                step=drift.rise,
                base_iterations=self.base_iterations,
                most_iterations=self.most_iterations,
                share_back=self.share_back,
                learning_rates=self.learning_rates,
                mix_ratios=self.mix_ratios,
                rate_policy=self.rate_policy,
                start_training=self.start_training,
            ),
            selector=self._selector(tuple(table), supplies),
            measure=costs == "measured" and self.selection == "reward",
            deadline_ms=self.deadline_ms,
            one_rate_after_change=released.one_rate_after_change,
        )
        return Composition(learner, controller, choices=table)

    def _selector(self, numbers: tuple[int, ...], supplies: Supplies) -> Selector:
        if self.selection == "random":
            return RandomSelector(numbers, supplies.numpy("selection"))
        if self.selection == "round_robin":
            return RoundRobinSelector(numbers)
        if self.selection == "reward":
            speeds = None if self.costs == "none" else published_speeds(numbers)
            return RewardSelector(numbers, speeds=speeds, punish_quick_less=self.punish_quick_less)
        wanted = int(self.selection.removeprefix("stage"))
        if wanted not in numbers:
            raise InputError(
                f"method.selection: expected a stage in method.train, got {self.selection}. To "
                f"fix: take one of {commas(f'stage{n}' for n in numbers)}"
            )
        return FixedSelector((wanted,))


def published_speeds(numbers: tuple[int, ...]) -> dict[int, float]:
    """HAMLET's frames/s of every choice; a network of more parts repeats the last."""
    return {n: PUBLISHED_SPEEDS[min(n, max(PUBLISHED_SPEEDS))] for n in numbers}
