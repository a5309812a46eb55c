"""Time that answers and learning steps take under a pace: from a table, or measured."""

from __future__ import annotations

import copy
import statistics
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import torch

from driftseg.control.contract import Order
from driftseg.frame import Image
from driftseg.learners.answering import answer, to_prediction
from driftseg.methods.adaptive import AdaptiveModel, Held
from driftseg.runs.checkpoints import load_random_state, random_state
from driftseg.stream.pace import PaceCosts, PaceSettings

EXACT = 1e-9
"""Slack for rounding of numbers from a table."""
IN_TIME = 0.1
"""Slack for measured times, as a share of the time between two frames. Two measurements of the
same work differ by a few percent."""
RECENT = 15
"""Measurements whose median is the cost."""
PLAIN = 5
"""Timed answers of the source model, after one that is not timed."""


class Costs(Protocol):
    """Costs in one unit, and the time between two frames in the same unit."""

    slack: float
    interval: float
    unit: str

    def start(self, image: Image) -> None:
        """Called with every frame before it is answered."""
        ...

    def answered(self, milliseconds: float) -> None:
        """An answer took this long."""
        ...

    def held(self, held: Held, milliseconds: float) -> Held:
        """A frame was looked at in this time; returns what is to be learnt from."""
        ...

    def learnt(self, order: Order, milliseconds: float) -> None:
        """A step took this long."""
        ...

    def answer(self) -> float:
        """Cost of an answer."""
        ...

    def step(self, order: Order) -> float:
        """Cost of all after the answer."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...


class TableCosts:
    """Costs from a table. Every learning step costs the same, and a frame without one nothing."""

    slack = EXACT

    def __init__(self, pace: PaceSettings, costs: PaceCosts):
        self._costs = costs
        plain = costs.answer if costs.in_milliseconds else 1.0
        self.interval = pace.interval(plain)
        self.unit = "ms" if costs.in_milliseconds else "answers of the source model"

    def start(self, image: Image) -> None:
        """Nothing to measure."""

    def answered(self, milliseconds: float) -> None:
        """Measured times do not count."""

    def held(self, held: Held, milliseconds: float) -> Held:
        """The same."""
        return held

    def learnt(self, order: Order, milliseconds: float) -> None:
        """Measured times do not count."""

    def answer(self) -> float:
        """From the table."""
        return self._costs.answer

    def step(self, order: Order) -> float:
        """From the table."""
        return self._costs.step if order.train else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Nothing changes."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing changes."""


class MeasuredCosts:
    """Running medians of measured times, in milliseconds; steps by kind of order.

    The first step of each kind is made twice in advance to measure it, and undone.
    """

    slack, unit = IN_TIME, "ms"

    def __init__(self, pace: PaceSettings, model: AdaptiveModel, clock: Callable[[], float]):
        self._pace, self._model, self._clock = pace, model, clock
        self._times: dict[str, deque[float]] = {}
        self.interval = 0.0

    def start(self, image: Image) -> None:
        """Measures the source model's answer, once, where the speed of the stream needs it."""
        if self.interval == 0:
            self.interval = self._pace.interval(self._plain(image))

    def _plain(self, image: Image) -> float:
        times = []
        with torch.no_grad():
            for _ in range(PLAIN + 1):
                started = self._clock()
                answered = answer(self._model.roles, image)
                to_prediction(answered.logits, answered.size)
                times.append(1000 * (self._clock() - started))
        return statistics.median(times[1:])

    def answered(self, milliseconds: float) -> None:
        """Kept."""
        self._keep("answer", milliseconds)

    def held(self, held: Held, milliseconds: float) -> Held:
        """Kept; measures a step of a new kind."""
        if _kind(held.order) not in self._times:
            held = self._tried(held)
        elif held.order.train:
            self._keep("look", milliseconds)
        return held

    def _tried(self, held: Held) -> Held:
        """Makes the step twice, keeps the second time, and undoes everything."""
        model, image, order = self._model, held.answered.image, held.order
        before, drawn = copy.deepcopy(model.state_dict()), random_state()
        milliseconds = 0.0
        for _ in range(2):
            again = model.held_again(image, order)
            started = self._clock()
            model.learn(again)
            milliseconds = 1000 * (self._clock() - started)
            model.load_state_dict(copy.deepcopy(before))
            load_random_state(drawn)
        self._keep(_kind(order), milliseconds)
        return model.held_again(image, order)

    def learnt(self, order: Order, milliseconds: float) -> None:
        """Kept."""
        self._keep(_kind(order), milliseconds)

    def answer(self) -> float:
        """Median of recent answers."""
        return self._median("answer")

    def step(self, order: Order) -> float:
        """Medians of looking at a frame and of a step of this kind."""
        return self._median("look") + self._median(_kind(order))

    def _keep(self, kind: str, milliseconds: float) -> None:
        self._times.setdefault(kind, deque(maxlen=RECENT)).append(milliseconds)

    def _median(self, kind: str) -> float:
        return statistics.median(self._times[kind]) if kind in self._times else 0.0

    def state_dict(self) -> dict[str, Any]:
        """The recent measurements."""
        times = {kind: [*values] for kind, values in self._times.items()}
        return {"interval": self.interval, "times": times}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues with them."""
        self.interval = state["interval"]
        self._times = {k: deque(v, maxlen=RECENT) for k, v in state["times"].items()}


def _kind(order: Order) -> str:
    if not order.train:
        return "no step"
    return "step" if order.choice is None else f"step {order.choice}"


def costs_of(pace: PaceSettings, model: AdaptiveModel, clock: Callable[[], float]) -> Costs:
    """The costs that the settings ask for."""
    if pace.costs is not None:
        return TableCosts(pace, pace.costs)
    return MeasuredCosts(pace, model, clock)
