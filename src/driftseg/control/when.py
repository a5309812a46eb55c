"""When to learn: always, never, on every n-th frame, or after a change of the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from driftseg.control.budget import Budget, Plan
from driftseg.control.contract import Order, Seen, Step
from driftseg.control.costs import Costs
from driftseg.control.drift import Detector, Event
from driftseg.control.selection import Selector, choose_within

REFRESH = 25
"""Trained frames after which the selector is told the measured speeds anew."""


class Always:
    """Learns from every frame.

    Args:
        learning_rate: None leaves it to the learner.
        mix_ratio: None leaves it to the learner.
        detector: finds changes for whoever remembers domains; learning does not depend on it.
    """

    def __init__(
        self,
        *,
        learning_rate: float | None = None,
        mix_ratio: float | None = None,
        detector: Detector | None = None,
    ):
        self._order = Order(True, learning_rate=learning_rate, mix_ratio=mix_ratio)
        self.detector = detector

    @property
    def needs_signal(self) -> bool:
        """Where there is a detector."""
        return self.detector is not None

    finds_changes = needs_signal

    def order(self, seen: Seen) -> Order:
        """The same for every frame, unless the guard has paused learning."""
        return Order(False, skipped="paused") if seen.paused else self._order

    def done(self, order: Order, step: Step | None, milliseconds: float | None) -> None:
        """Nothing to keep."""

    def observe(self, signal: float) -> Event | None:
        """What the detector finds."""
        return None if self.detector is None else self.detector.add(signal)

    def to_measure(self) -> Sequence[Order]:
        """Nothing."""
        return ()

    def answered(self, milliseconds: float) -> None:
        """Time does not matter to it."""

    def measured(self, order: Order, milliseconds: float) -> None:
        """Time does not matter to it."""

    def told(self, order: Order, step: Step | None) -> dict[str, Any]:
        """The detector's reading, and why learning was skipped where it was."""
        reason = skipped(order, step)
        return {
            "plan": None if reason is None else {"skipped": reason},
            "detector": None if self.detector is None else asdict(self.detector.reading()),
        }

    def state_dict(self) -> dict[str, Any]:
        """The detector's."""
        return {"detector": None if self.detector is None else self.detector.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        if self.detector is not None:
            self.detector.load_state_dict(state["detector"])


class Never(Always):
    """Learns from nothing."""

    def order(self, seen: Seen) -> Order:
        """No training."""
        return Order(False)


class Every(Always):
    """Learns from every n-th frame, the first included.

    Args:
        frames: n.
        settings: as of `Always`.
    """

    def __init__(self, frames: int, **settings: Any):
        super().__init__(**settings)
        self._frames = frames
        self._seen = 0

    def order(self, seen: Seen) -> Order:
        """Counts every frame, also while the guard has paused learning."""
        due = self._seen % self._frames == 0
        self._seen += 1
        return super().order(seen) if due else Order(False)

    def state_dict(self) -> dict[str, Any]:
        """The count, too."""
        return {**super().state_dict(), "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        super().load_state_dict(state)
        self._seen = state["seen"]


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
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.detector.load_state_dict(state["detector"])
        self._budget.load_state_dict(state["budget"])
        self._selector.load_state_dict(state["selector"])
        self.costs.load_state_dict(state["costs"])
        self._changed, self._trained = state["changed"], state["trained"]


def skipped(order: Order, step: Step | None) -> str | None:
    """Why a frame that was to be trained on was not."""
    if order.skipped is not None:
        return order.skipped
    return None if step is None or step.made else step.reason
