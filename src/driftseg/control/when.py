"""When to learn: always, never, on every n-th frame, or within a time limit.

`driftseg.control.after_change` learns after detected changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import PositiveInt

from driftseg.control.contract import Order, Seen, Step
from driftseg.control.costs import Costs
from driftseg.control.drift import Detector, Event
from driftseg.control.selection import choose_within
from driftseg.control.settings import ControlSettings, ControlSupplies
from driftseg.settings import Positive


class AlwaysSettings(ControlSettings):
    """Learn from every frame."""

    kind: Literal["always"] = "always"

    def make(self, supplies: ControlSupplies) -> Always:
        """With the learner's own rate."""
        plain = supplies.plain
        return Always(learning_rate=plain.learning_rate, mix_ratio=plain.mix_ratio)


class EverySettings(ControlSettings):
    """Learn from every n-th frame."""

    kind: Literal["every"]
    frames: PositiveInt
    """n. The first frame is learnt from."""

    def make(self, supplies: ControlSupplies) -> Every:
        """With the learner's own rate."""
        plain = supplies.plain
        return Every(self.frames, learning_rate=plain.learning_rate, mix_ratio=plain.mix_ratio)


class DeadlineSettings(ControlSettings):
    """Learn from every frame with as many parts of the network as a time limit allows."""

    kind: Literal["deadline"]
    deadline_ms: Positive
    """For answer and learning together, in milliseconds. Where no choice fits, no step is made."""

    @property
    def chooses(self) -> bool:
        """It trains the last n parts of the network; n changes."""
        return True

    def make(self, supplies: ControlSupplies) -> Deadline:
        """With the learner's own rate."""
        return Deadline(supplies.choices, deadline_ms=self.deadline_ms, plain=supplies.plain)


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


class Deadline(Always):
    """Learns from every frame with the choice that trains most and still fits.

    Costs are measured at the first frame, with a rate of 0, and kept fresh.

    Args:
        choices: numbers of the choices: the smaller, the more is trained.
        deadline_ms: for answer and learning together.
        plain: learning rate and mix ratio of every order.
    """

    def __init__(self, choices: Sequence[int], *, deadline_ms: float, plain: Order):
        super().__init__(learning_rate=plain.learning_rate, mix_ratio=plain.mix_ratio)
        self._choices, self._deadline_ms, self._plain = tuple(choices), deadline_ms, plain
        self.costs = Costs(self._choices)

    def order(self, seen: Seen) -> Order:
        """The choice that fits, or none."""
        if seen.paused:
            return Order(False, skipped="paused")
        choice = choose_within(self._deadline_ms - seen.elapsed_ms(), self._choices, self.costs)
        if choice is None:
            return Order(False, skipped="deadline")
        return Order(True, choice, self._plain.learning_rate, self._plain.mix_ratio)

    def done(self, order: Order, step: Step | None, milliseconds: float | None) -> None:
        """Keeps the cost of a step that was made."""
        made = step is not None and step.made
        if made and order.choice is not None and milliseconds is not None:
            self.costs.trained(order.choice, milliseconds)

    def to_measure(self) -> Sequence[Order]:
        """Every choice once, before anything is known of costs."""
        if self.costs.training_ms():
            return ()
        return [Order(True, choice, 0.0, 0.5) for choice in sorted(self._choices)]

    def answered(self, milliseconds: float) -> None:
        """Kept."""
        self.costs.answered(milliseconds)

    def measured(self, order: Order, milliseconds: float) -> None:
        """Kept."""
        if order.choice is not None:
            self.costs.trained(order.choice, milliseconds)

    def told(self, order: Order, step: Step | None) -> dict[str, Any]:
        """The choice, the costs, and why learning was skipped where it was."""
        plan = {
            "module": order.choice,
            "costs_ms": self.costs.training_ms(),
            "skipped": skipped(order, step),
        }
        return {**super().told(order, step), "plan": plan}

    def state_dict(self) -> dict[str, Any]:
        """The costs, too."""
        return {**super().state_dict(), "costs": self.costs.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        super().load_state_dict(state)
        self.costs.load_state_dict(state["costs"])


def skipped(order: Order, step: Step | None) -> str | None:
    """Why a frame that was to be trained on was not."""
    if order.skipped is not None:
        return order.skipped
    return None if step is None or step.made else step.reason
