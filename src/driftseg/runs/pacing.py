"""How a frame of the stream is answered and learnt from: the stream waits, or comes at a pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from driftseg.control.contract import Order
from driftseg.frame import Adaptation, Image, Prediction
from driftseg.labels import IGNORE
from driftseg.learners.answering import to_prediction
from driftseg.methods.adaptive import AdaptiveModel, Held
from driftseg.methods.device_clock import device_clock
from driftseg.runs.pace_costs import costs_of
from driftseg.stream.pace import PaceSettings, intervals


@dataclass(frozen=True)
class Taken:
    """What became of a frame."""

    prediction: Prediction
    """The scored one."""
    logits: Tensor
    adaptation: Adaptation
    """The learning that ended before the next frame."""
    times: tuple[float, float]
    """Measured milliseconds of answer and learning."""
    pace: Mapping[str, Any] | None = None
    """Column of the record: ``frame`` (on_time, late or dropped) and ``learnt_from``, the index of
    the frame that ``adaptation`` is of. None where the stream waits."""


class Pacing(Protocol):
    """Answers frames and lets the model learn."""

    def take(self, image: Image, index: int, number: int) -> Taken:
        """Takes the next frame.

        Args:
            image: of the frame.
            index: position in the stream.
            number: count of frames before it, without unreadable ones.
        """
        ...

    def told(self) -> dict[str, Any] | None:
        """For the record: the time between two frames. None where the stream waits."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues; the model was restored before."""
        ...


class Waiting:
    """The stream waits until the method has learnt."""

    def __init__(self, model: AdaptiveModel):
        self._model = model
        self._clock = device_clock(model.roles.device)

    def take(self, image: Image, index: int, number: int) -> Taken:
        """Predicts, then learns."""
        started = self._clock()
        prediction = self._model.predict(image)
        answered = self._clock()
        adaptation = self._model.learn()
        learnt = self._clock()
        times = (1000 * (answered - started), 1000 * (learnt - answered))
        return Taken(prediction, self._model.last_logits(), adaptation, times)

    def told(self) -> None:
        """Nothing to tell."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing is under way between two frames."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


@dataclass(frozen=True)
class _Step:
    """A learning step under way."""

    held: Held
    index: int
    """Of its frame."""
    ends: int
    """Number of the first frame that comes after its end."""
    looked_ms: float


class Paced:
    """Frames come at constant speed while the method works.

    Frames are numbered, and time is counted in frames: work begins with a frame. The weights change
    at the end of a step, right before the first frame that comes after it. A step that has not
    ended with the stream is not made.
    """

    def __init__(self, model: AdaptiveModel, pace: PaceSettings):
        self._model, self._drops = model, pace.policy == "drop"
        self._clock = device_clock(model.roles.device)
        self.costs = costs_of(pace, model, self._clock)
        self._free = 0
        """Number of the first frame that can be answered."""
        self._step: _Step | None = None
        self._last: tuple[Tensor, tuple[int, int]] | None = None
        """Logits and size of the last answer."""

    def take(self, image: Image, index: int, number: int) -> Taken:
        """Answers if there is time, and begins or ends a step if one is due."""
        self.costs.start(image)
        busy = self._step is not None
        predict_ms, learn_ms, adaptation, learnt_from = 0.0, 0.0, Adaptation(False), None
        if number < self._free or (busy and self._drops):
            became, prediction = "dropped", self._repeated(image)
        else:
            became = "late" if busy else "on_time"
            started = self._clock()
            prediction = self._model.predict(image, remember=not busy)
            predict_ms = 1000 * (self._clock() - started)
            self.costs.answered(predict_ms, late=busy)
            self._free = number + self._intervals(self.costs.answer())
            height, width = image.shape[:2]
            self._last = (self._model.last_logits(), (height, width))
            if not busy:
                self._begin(index, number)
        if self._step is not None and self._step.ends <= number + 1:
            learnt_from = self._step.index
            adaptation, learn_ms = self._end(self._step)
        assert self._last is not None
        pace = {"frame": became, "learnt_from": learnt_from}
        return Taken(prediction, self._last[0], adaptation, (predict_ms, learn_ms), pace)

    def _intervals(self, cost: float) -> int:
        return intervals(cost, self.costs.interval, slack=self.costs.slack)

    def _begin(self, index: int, number: int) -> None:
        started = self._clock()
        held = self._model.hold()
        looked_ms = 1000 * (self._clock() - started)
        held = self.costs.held(held, looked_ms)
        takes = self._intervals(self.costs.whole(held.order))
        self._step = _Step(held, index, number + takes, looked_ms)

    def _end(self, step: _Step) -> tuple[Adaptation, float]:
        started = self._clock()
        adaptation = self._model.learn(step.held)
        milliseconds = 1000 * (self._clock() - started)
        self.costs.learnt(step.held.order, milliseconds)
        self._step = None
        return adaptation, step.looked_ms + milliseconds

    def _repeated(self, image: Image) -> Prediction:
        """The last answer; for an image of another size, one that is wrong everywhere."""
        assert self._last is not None
        logits, size = self._last
        prediction = to_prediction(logits, size)
        if image.shape[:2] == size:
            return prediction
        return replace(prediction, label=np.full(image.shape[:2], IGNORE, np.uint8))

    def told(self) -> dict[str, Any]:
        """The time between two frames and its unit."""
        return {"interval": self.costs.interval, "unit": self.costs.unit}

    def state_dict(self) -> dict[str, Any]:
        """The step under way, the last answer and the costs."""
        step = self._step
        return {
            "free": self._free,
            "last": self._last,
            "step": None if step is None else {
                "image": step.held.answered.image, "order": asdict(step.held.order),
                "usable": step.held.usable,
                "index": step.index, "ends": step.ends, "looked_ms": step.looked_ms,
            },
            "costs": self.costs.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues; what is to be learnt from is answered again by the same weights."""
        self._free = state["free"]
        self._last = None
        if state["last"] is not None:
            logits, size = state["last"]
            self._last = (logits.to(self._model.roles.device), tuple(size))
        self._step = None
        if state["step"] is not None:
            step = dict(state["step"])
            held = self._model.held_again(
                step.pop("image"), Order(**step.pop("order")), usable=step.pop("usable")
            )
            self._step = _Step(held, **step)
        self.costs.load_state_dict(state["costs"])


def pacing_of(pace: PaceSettings | None, model: AdaptiveModel) -> Pacing:
    """Whether the stream waits is the config's to say."""
    return Waiting(model) if pace is None else Paced(model, pace)
