"""Time that answers and learning steps take under a pace: from a table, or measured."""

from __future__ import annotations

import copy
import statistics
from collections import deque
from collections.abc import Callable
from functools import partial
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
WARM, TIMED = 1, 5
"""Answers that are made before the first frame without and with the clock."""


class Costs(Protocol):
    """Costs in one unit, and the time between two frames in the same unit."""

    slack: float
    interval: float
    unit: str

    def start(self, image: Image) -> None:
        """Called with every frame before it is answered."""
        ...

    def answered(self, milliseconds: float, *, late: bool) -> None:
        """An answer took this long; only an answer that is not late may be learnt from."""
        ...

    def held(self, held: Held, milliseconds: float) -> Held:
        """A frame was looked at in this time; returns what is to be learnt from."""
        ...

    def learnt(self, order: Order, milliseconds: float) -> None:
        """A step took this long."""
        ...

    def answer(self) -> float:
        """Cost of an answer that is not learnt from."""
        ...

    def whole(self, order: Order) -> float:
        """Cost of an answer and of all that follows an order."""
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

    def answered(self, milliseconds: float, *, late: bool) -> None:
        """Measured times do not count."""

    def held(self, held: Held, milliseconds: float) -> Held:
        """The same."""
        return held

    def learnt(self, order: Order, milliseconds: float) -> None:
        """Measured times do not count."""

    def answer(self) -> float:
        """From the table."""
        return self._costs.answer

    def whole(self, order: Order) -> float:
        """From the table."""
        return self._costs.answer + (self._costs.step if order.train else 0.0)

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
        """Measures answers of the source model and of the method, once."""
        if self.interval > 0:
            return
        self.interval = self._pace.interval(statistics.median(self._timed(self._plain, image)))
        for milliseconds in self._timed(partial(self._model.predict, remember=False), image):
            self.answered(milliseconds, late=True)

    @torch.no_grad()
    def _plain(self, image: Image) -> None:
        answered = answer(self._model.roles, image)
        to_prediction(answered.logits, answered.size)

    def _timed(self, call: Callable[[Image], object], image: Image) -> list[float]:
        """Milliseconds of every call but the first."""
        times = []
        for _ in range(WARM + TIMED):
            started = self._clock()
            call(image)
            times.append(1000 * (self._clock() - started))
        return times[WARM:]

    def answered(self, milliseconds: float, *, late: bool) -> None:
        """Kept."""
        self._keep("answer" if late else "answer to learn from", milliseconds)

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

    def whole(self, order: Order) -> float:
        """Medians of an answer, of looking at its frame, and of a step of this kind."""
        return sum(map(self._median, ("answer to learn from", "look", _kind(order))))

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
