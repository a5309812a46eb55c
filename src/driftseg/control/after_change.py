"""Learning after a detected change of the world, with a chosen part of the network.

This is the control of HAMLET (Colomer et al., ICCV 2023), apart from what it learns with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import PositiveInt

from driftseg.control.budget import Budget, Plan
from driftseg.control.contract import Order, Seen, Step
from driftseg.control.costs import Costs
from driftseg.control.detectors import DetectorSettings
from driftseg.control.drift import Detector, Event
from driftseg.control.selection import (
    PUBLISHED_SPEEDS,
    FixedSelector,
    RandomSelector,
    RewardSelector,
    RoundRobinSelector,
    Selector,
    choose_within,
)
from driftseg.control.settings import ControlSettings, ControlSupplies
from driftseg.control.when import skipped
from driftseg.errors import InputError, commas
from driftseg.settings import Positive, Settings, Share

REFRESH = 25
"""Trained frames after which the selector is told the measured speeds anew."""


class ChangeSettings(Settings):
    """When, how much and which parts learn after a change."""

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
    learning_rates: tuple[Positive, Positive] | None = None
    """Of the encoder, at the source's level and far away; null is the learner's own at both.
    HAMLET: 1.5e-5 and 6e-5."""
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

    @property
    def drift_detector(self) -> DetectorSettings:
        """Its own."""
        return self.detector

    @property
    def shrink(self) -> int:
        """As set."""
        return self.signal_shrink

    @property
    def chooses(self) -> bool:
        """It trains the last n parts of the network; n changes."""
        return True

    def make_control(
        self,
        supplies: ControlSupplies,
        *,
        overlapping_reference: bool = False,
        one_rate_after_change: bool = False,
    ) -> AfterChange:
        """The controller; the two switches are the behaviour of HAMLET's released code."""
        drift = self.detector.found(supplies.calibration)
        plain = supplies.plain.learning_rate or 0.0
        costs = self.costs or "measured"
        return AfterChange(
            supplies.choices,
            detector=self.detector.make(drift, overlapping_reference=overlapping_reference),
            budget=Budget(
                drift.levels,
                step=drift.rise,
                base_iterations=self.base_iterations,
                most_iterations=self.most_iterations,
                share_back=self.share_back,
                learning_rates=self.learning_rates or (plain, plain),
                mix_ratios=self.mix_ratios,
                rate_policy=self.rate_policy,
                start_training=self.start_training,
            ),
            selector=self._selector(supplies),
            measure=costs == "measured" and self.selection == "reward",
            deadline_ms=self.deadline_ms,
            one_rate_after_change=one_rate_after_change,
        )

    def _selector(self, supplies: ControlSupplies) -> Selector:
        numbers = supplies.choices
        if self.selection == "random":
            return RandomSelector(numbers, supplies.generator("selection"))
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


class AfterChangeSettings(ChangeSettings, ControlSettings):
    """Learn after detected changes, with a chosen part of the network (HAMLET's control)."""

    kind: Literal["after_change"]

    @property
    def random(self) -> bool:
        """Where the choice is drawn."""
        return self.selection == "random"

    def make(self, supplies: ControlSupplies) -> AfterChange:
        """As the paper has it."""
        return self.make_control(supplies)


class AfterChange:
    """Learns after detected changes, with a chosen part of the network (HAMLET, ICCV 2023).

    Args:
        choices: numbers of the choices, ascending: the smaller, the more is trained.
        detector: finds changes in the signal.
        budget: turns them into plans.
        selector: picks a choice.
        measure: whether costs are measured at the first frame and kept fresh, and the selector
            told of them; a deadline needs it.
        deadline_ms: for answer and learning together; with it the choice that trains most and
            still fits is taken, or no update is made.
        one_rate_after_change: heads lose their factor at the first change, as in HAMLET's
            released code.
    """

    needs_signal = True
    finds_changes = True

    def __init__(
        self,
        choices: Sequence[int],
        *,
        detector: Detector,
        budget: Budget,
        selector: Selector,
        measure: bool = True,
        deadline_ms: float | None = None,
        one_rate_after_change: bool = False,
    ):
        self._choices = tuple(choices)
        self.detector, self._budget, self._selector = detector, budget, selector
        self.costs = Costs(self._choices)
        self._measure = measure or deadline_ms is not None
        self._tell_speeds = measure
        self._deadline_ms = deadline_ms
        self._one_rate = one_rate_after_change
        self._changed = False
        self._trained = 0
        self._plan: Plan | None = None

    def order(self, seen: Seen) -> Order:
        """By the plan; a frame counts in the budget whether it is trained on or not."""
        plan = self._plan = self._budget.plan()
        if not plan.train:
            return Order(False)
        if seen.paused:
            return Order(False, skipped="paused")
        choice = self._choose(seen.elapsed_ms)
        if choice is None:
            return Order(False, skipped="deadline")
        return Order(
            True, choice, plan.learning_rate, plan.mix_ratio, self._one_rate and self._changed
        )

    def _choose(self, elapsed_ms: Callable[[], float]) -> int | None:
        if self._deadline_ms is None:
            return self._selector.choose()
        return choose_within(self._deadline_ms - elapsed_ms(), self._choices, self.costs)

    def done(self, order: Order, step: Step | None, milliseconds: float | None) -> None:
        """Keeps the cost, and tells the selector how it went."""
        if step is None or not step.made or order.choice is None:
            return
        self._trained += 1
        if self._measure and milliseconds is not None:
            self.costs.trained(order.choice, milliseconds)
        if step.reward_loss is not None:
            self._selector.learn(step.reward_loss, order.choice)
        if self._trained % REFRESH == 0:
            self._refresh()

    def observe(self, signal: float) -> Event | None:
        """An event grants iterations."""
        event = self.detector.add(signal)
        if event is not None:
            self._budget.grant(event)
            self._changed = True
            self._refresh()
        return event

    def to_measure(self) -> Sequence[Order]:
        """Every choice once, before anything is known of costs; with a rate of 0."""
        if not self._measure or self.costs.training_ms():
            return ()
        return [Order(True, choice, 0.0, 0.5) for choice in sorted(self._choices)]

    def answered(self, milliseconds: float) -> None:
        """Kept."""
        self.costs.answered(milliseconds)

    def measured(self, order: Order, milliseconds: float) -> None:
        """Kept; once every choice is measured the selector hears of it."""
        if order.choice is not None:
            self.costs.trained(order.choice, milliseconds)
        self._refresh()

    def _refresh(self) -> None:
        speeds = self.costs.speeds()
        if self._tell_speeds and set(speeds) == set(self._choices):
            self._selector.set_speeds(speeds)

    def told(self, order: Order, step: Step | None) -> dict[str, Any]:
        """The plan with what was made of it, and the detector's reading."""
        plan = self._plan
        assert plan is not None
        return {
            "plan": {
                "iterations_left": plan.iterations_left,
                "mix_ratio": plan.mix_ratio,
                "module": order.choice,
                "histogram": self._selector.histogram(),
                "costs_ms": self.costs.training_ms(),
                "skipped": skipped(order, step),
            },
            "detector": asdict(self.detector.reading()),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides."""
        return {
            "detector": self.detector.state_dict(),
            "budget": self._budget.state_dict(),
            "selector": self._selector.state_dict(),
            "costs": self.costs.state_dict(),
            "changed": self._changed,
            "trained": self._trained,
            "plan": None if self._plan is None else asdict(self._plan),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.detector.load_state_dict(state["detector"])
        self._budget.load_state_dict(state["budget"])
        self._selector.load_state_dict(state["selector"])
        self.costs.load_state_dict(state["costs"])
        self._changed, self._trained = state["changed"], state["trained"]
        plan = state.get("plan")  # states of before it was kept have none
        self._plan = None if plan is None else Plan(**plan)


def published_speeds(numbers: tuple[int, ...]) -> dict[int, float]:
    """HAMLET's frames/s of every choice; a network of more parts repeats the last."""
    return {n: PUBLISHED_SPEEDS[min(n, max(PUBLISHED_SPEEDS))] for n in numbers}
