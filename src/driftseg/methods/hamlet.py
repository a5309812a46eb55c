"""HAMLET: when to adapt, which part of the network, and how hard (Colomer et al., ICCV 2023).

A drift signal, how much the static model's early head disagrees with the student, drives a
detector; a detected change grants training iterations; a selector chooses which stages learn.
The step is DACS's. What the released code does differently (methods A.13) is reached by
switches that are off here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from driftseg.control.budget import Budget, Plan
from driftseg.control.costs import Costs
from driftseg.control.drift import Detector, Event
from driftseg.control.guard import Guard
from driftseg.control.which import Selector
from driftseg.errors import InputError
from driftseg.frame import Adaptation, Image, Prediction
from driftseg.methods.base import Answer, answer, answer_images, to_prediction
from driftseg.methods.device_clock import device_clock
from driftseg.methods.self_training import SelfTraining, Step
from driftseg.methods.signal import drift_signal

REFRESH = 25
"""Trained frames after which the selector is told the measured speeds anew."""
WARM_ANSWERS = 2
"""Answers timed beside the first frame's own, so that the median is of a device at work."""


@dataclass(frozen=True)
class Released:
    """What the released code does and the paper does not say; all off by default."""

    one_rate_after_change: bool = False
    """Heads lose their factor at the first change (A.13, B4)."""
    diagnostics_move_statistics: bool = False
    """A training pass on the target for nothing but its side effect on norms and random draws
    after every step, as its logging makes (B13)."""
    full_resolution_signal: bool = False
    """The signal is computed at the image's size instead of on the head's grid (A.6)."""


@dataclass(frozen=True)
class _Answered:
    """What ``predict`` leaves for ``adapt``."""

    student: Answer
    started: float
    """By the clock, in seconds."""


@dataclass(frozen=True)
class _Trained:
    """What became of a frame that the plan trains on."""

    step: Step | None = None
    module: int | None = None
    skipped: str | None = None


class Hamlet:
    """Learns after changes only, and then a chosen part of the network.

    Args:
        training: the step; its roles have a teacher and at least an early static role.
        modules: per choice n the tensors that learn with it (stages n to 4 and the head).
        detector: finds changes in the signal.
        budget: turns them into plans.
        selector: chooses n.
        signal_shrink: factor by which the image is made smaller for the drift signal.
        measure: whether costs are measured at the first frame and kept fresh, and the selector
            told of them; a deadline needs it.
        deadline_ms: for answer and learning together; with it the choice that trains most and
            still fits is taken, or no update is made.
        released: switches to the released code's behaviour.
        clock: in seconds; None takes the device's.
    """

    def __init__(
        self,
        training: SelfTraining,
        *,
        modules: Mapping[int, Sequence[str]],
        detector: Detector,
        budget: Budget,
        selector: Selector,
        signal_shrink: int = 1,
        measure: bool = True,
        deadline_ms: float | None = None,
        released: Released | None = None,
        clock: Callable[[], float] | None = None,
    ):
        self.training = training
        self.roles = training.roles
        if self.roles.model.early_head is None:
            raise InputError(
                "hamlet's drift signal needs a model with an early head: train one with "
                "driftseg train (early_head_steps above 0)"
            )
        self._modules = {n: tuple(names) for n, names in modules.items()}
        self._detector, self._budget, self._selector = detector, budget, selector
        self._signal_shrink = signal_shrink
        self.guard = Guard()
        self.costs = Costs(self._modules)
        self._measure = measure or deadline_ms is not None
        self._tell_speeds = measure
        self._deadline_ms = deadline_ms
        self._released = Released() if released is None else released
        self._clock = device_clock(self.roles.device) if clock is None else clock
        self._changed = False
        self._answered: _Answered | None = None

    @property
    def updates(self) -> int:
        """Times the weights have changed."""
        return self.training.updates

    def answer(self, image: Image) -> Answer:
        """The student's answer; prefix and logits are kept for the signal and the teacher."""
        started = self._clock()
        student = answer(self.roles, image)
        self._answered = _Answered(student, started)
        self.costs.answered(1000 * (self._clock() - started))
        return student

    def predict(self, image: Image) -> Prediction:
        """The student's answer."""
        student = self.answer(image)
        return to_prediction(student.logits, student.size)

    def adapt(self) -> Adaptation:
        """Looks for a change, and learns if one was found before this frame."""
        answered = self._answered
        if answered is None:
            raise RuntimeError("adapt() learns from a prediction: call predict() first")
        self._answered = None
        if self._measure and not self.costs.training_ms():
            self._measure_costs(answered)
        signal = self._signal(answered)
        plan = self._budget.plan()
        trained = self._train(answered, plan) if plan.train else _Trained()
        event = self._look(signal)
        reading = self._detector.reading()
        made = trained.step is not None and trained.step.made
        return Adaptation(
            trained=made,
            losses=trained.step.losses if trained.step is not None else {},
            learning_rate=plan.learning_rate if made else None,
            signal=signal,
            event=None if event is None else asdict(event),
            detector=asdict(reading),
            plan=self._told(plan, trained),
        )

    def _signal(self, answered: _Answered) -> float:
        return drift_signal(
            self.roles, answered.student, shrink=self._signal_shrink,
            full_resolution=self._released.full_resolution_signal,
        )  # fmt: skip

    def _look(self, signal: float) -> Event | None:
        event = self._detector.add(signal)
        if event is not None:
            self._budget.answer(event)
            self.guard.resume()
            self._changed = True
            self._refresh()
        return event

    def _train(self, answered: _Answered, plan: Plan) -> _Trained:
        if self.guard.paused:
            return _Trained(skipped="paused")
        chosen = self._choose(answered)
        if chosen is None:
            return _Trained(skipped="deadline")
        started = self._clock()
        step = self._step(answered, chosen, plan.learning_rate, plan.mix_ratio)
        if not step.made:
            self.guard.failed()
            return _Trained(step, chosen, "not finite")
        self.guard.passed()
        if self._measure:
            self.costs.trained(chosen, 1000 * (self._clock() - started))
        self._selector.learn(step.losses["mixed"], chosen)
        if self.updates % REFRESH == 0:
            self._refresh()
        if self._released.diagnostics_move_statistics:
            self._move_statistics(answered)
        return _Trained(step, chosen)

    def _choose(self, answered: _Answered) -> int | None:
        if self._deadline_ms is None:
            return self._selector.choose()
        left = self._deadline_ms - 1000 * (self._clock() - answered.started)
        return self.costs.deepest(tuple(self._modules), left)

    def _step(self, answered: _Answered, chosen: int, rate: float, mix_ratio: float) -> Step:
        self.roles.learn_only(self._modules[chosen])
        one_rate = self._released.one_rate_after_change and self._changed
        return self.training.step(
            answered.student.images, answered.student.walk, learning_rate=rate, mix_ratio=mix_ratio,
            one_rate=one_rate,
        )  # fmt: skip

    def _measure_costs(self, answered: _Answered) -> None:
        """Times answers and one step of every choice, the second of two, and undoes it all."""
        for _ in range(WARM_ANSWERS):  # the first of all is slower than any that follow
            started = self._clock()
            answer_images(self.roles, answered.student.images)
            self.costs.answered(1000 * (self._clock() - started))
        before = self.training.state_dict()
        for chosen in sorted(self._modules):
            for counted in (False, True):
                started = self._clock()
                self._step(answered, chosen, 0.0, 0.5)
                if counted:
                    self.costs.trained(chosen, 1000 * (self._clock() - started))
        self.roles.learn_only(())
        self.training.load_state_dict(before)
        self._refresh()

    def _refresh(self) -> None:
        speeds = self.costs.speeds()
        if self._tell_speeds and set(speeds) == set(self._modules):
            self._selector.set_speeds(speeds)

    @torch.no_grad()
    def _move_statistics(self, answered: _Answered) -> None:
        walk = self.roles.prefix(answered.student.images)
        levels = self.roles.levels("student", walk, training=True)
        self.roles.logits("student", levels, training=True)

    def _told(self, plan: Plan, trained: _Trained) -> dict[str, Any]:
        return {
            "iterations_left": plan.iterations_left,
            "mix_ratio": plan.mix_ratio,
            "module": trained.module,
            "histogram": self._selector.histogram(),
            "costs_ms": self.costs.training_ms(),
            "skipped": trained.skipped,
        }

    def learnt(self) -> dict[str, Any]:
        """The step's."""
        return self.training.learnt()

    def bring_back(self, state: dict[str, Any]) -> None:
        """To the step."""
        self.training.bring_back(state)

    def state_dict(self) -> dict[str, Any]:
        """The step's state, and that of everything that decides."""
        return {
            "training": self.training.state_dict(),
            "detector": self._detector.state_dict(),
            "budget": self._budget.state_dict(),
            "selector": self._selector.state_dict(),
            "guard": self.guard.state_dict(),
            "costs": self.costs.state_dict(),
            "changed": self._changed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.learn_only(())  # what learns is said anew with the next step
        self.training.load_state_dict(state["training"])
        self._detector.load_state_dict(state["detector"])
        self._budget.load_state_dict(state["budget"])
        self._selector.load_state_dict(state["selector"])
        self.guard.load_state_dict(state["guard"])
        self.costs.load_state_dict(state["costs"])
        self._changed = state["changed"]
