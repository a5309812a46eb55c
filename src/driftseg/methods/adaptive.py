"""The one object that predicts and learns: a learner under a controller, perhaps with a memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from driftseg.control.contract import Order, Seen, Step
from driftseg.control.guard import Guard, GuardSettings
from driftseg.frame import Adaptation, Image, Label, Prediction
from driftseg.learners.answering import answer, to_label, to_prediction, with_offline
from driftseg.learners.contract import NOT_FINITE, Answer
from driftseg.learners.settings import Composition, SignalSettings, SourceBatches
from driftseg.methods.device_clock import device_clock
from driftseg.methods.diagnostics import Certainty, diagnose
from driftseg.methods.protection import Protection
from driftseg.methods.signal import disagreement, static_level
from driftseg.models.roles import Roles

WARM_ANSWERS = 2
"""Answers timed beside the first frame's own, so that the median is of a device at work."""
PAUSE = 25
"""Frames that learning pauses after failed steps, where no change can end the pause."""


@dataclass(frozen=True)
class Held:
    """A frame that was looked at, and the order for it. ``learn`` follows the order."""

    answered: Answer
    order: Order
    signal: Tensor | None
    level: Tensor | None
    usable: bool = True
    """Whether the guard lets the frame be looked at and learnt from."""


class AdaptiveModel:
    """Predicts first, learns after; labels and domains are no arguments, so they cannot leak.

    Roles overlay their tensors on one shared module while they run (``functional_call``), so one
    pass at a time is made: a lock sees to it. Threads may call any method.

    Args:
        roles: those that the learner was made with.
        parts: learner, controller, choices and memory.
        signal: how the drift signal is computed, where the controller wants it.
        clock: in seconds; None takes the device's where costs of choices are measured, and the
            host's elsewhere, which waits for nothing.
        replays: what the learner draws its source batches from, to tell of them.
        guard: settings of what keeps it from being wrecked; None guards nothing.
        labelled: source images and labels that the guard asks about.
    """

    def __init__(
        self,
        roles: Roles,
        parts: Composition,
        *,
        signal: SignalSettings | None = None,
        clock: Callable[[], float] | None = None,
        replays: Sequence[SourceBatches] = (),
        guard: GuardSettings | None = None,
        labelled: Sequence[tuple[Image, Label]] = (),
    ):
        self.roles = roles
        self.learner, self.controller, self.memory = parts.learner, parts.controller, parts.memory
        self.choices = parts.choices
        self.guard = Guard(resume_after=None if self.controller.finds_changes else PAUSE)
        self._signal = SignalSettings() if signal is None else signal
        self._replays = replays
        self._clock = clock or (device_clock(roles.device) if parts.choices else time.perf_counter)
        self._lock = threading.RLock()
        self._answered: Answer | None = None
        self._started = 0.0
        self._logits: Tensor | None = None
        self.protection: Protection | None = None
        if guard is not None:
            self.protection = Protection(
                roles, self.learner, guard, self._output, labelled=labelled
            )

    @property
    def unlabelled_batches(self) -> int:
        """Source batches so far that held no labelled pixel; their loss is 0."""
        return sum(replay.unlabelled for replay in self._replays)

    @property
    def _keeps_graph(self) -> bool:
        return self.learner.keeps_graph and self.choices is None  # a choice comes later

    @property
    def updates(self) -> int:
        """Times the weights have changed, by learning or by being brought back.

        Evaluations made at the same number are the same.
        """
        brought_back = 0 if self.memory is None else self.memory.brought_back
        rescued = 0 if self.protection is None else self.protection.brought_back
        return int(self.learner.updates + brought_back + rescued)

    def predict(self, image: Image, *, remember: bool = True) -> Prediction:
        """Answers with the weights as they stand, and remembers the image for ``learn``.

        Args:
            image: RGB, (H, W, 3), uint8.
            remember: whether ``learn`` may follow.
        """
        with self._lock:
            self._started = self._clock()
            answered = answer(self.roles, image, keep_graph=remember and self._keeps_graph)
            self._answered = answered if remember else None
            self._logits = self._output(answered).detach()
            self.controller.answered(1000 * (self._clock() - self._started))
            return to_prediction(self._logits, answered.size)

    @torch.no_grad()
    def _output(self, answered: Answer) -> Tensor:
        """The logits that are answered with."""
        own = getattr(self.learner, "output", None)
        output: Tensor = with_offline(self.roles, answered) if own is None else own(answered)
        return output

    def last_logits(self) -> Tensor:
        """Logits (1, C, h, w) of what was last predicted."""
        if self._logits is None:
            raise RuntimeError(
                "expected at least one prediction, got none. To fix: call predict() first"
            )
        return self._logits

    def learning_parts(self) -> tuple[str, ...]:
        """The parts of the network that learn now."""
        return self.roles.learning_parts()

    def hold(self) -> Held:
        """The first half of ``learn``: looks at the image last predicted and orders what is done.

        Images may be predicted before ``learn(held)``. Weights change in ``learn`` alone.

        Raises:
            RuntimeError: nothing was predicted since the last call.
        """
        with self._lock:
            answered, self._answered = self._answered, None
            if answered is None:
                raise RuntimeError(
                    "expected predict() before learn(), got learn() first. To fix: call "
                    "predict() first"
                )
            unusable = None if self.protection is None else self.protection.see(answered.image)
            if unusable is not None:
                return Held(answered, self._order(unusable), None, None, usable=False)
            self.learner.look(answered)
            self._measure_costs(answered)
            signal, level = self._look(answered)
            return Held(answered, self._order(None), signal, level)

    def held_again(self, image: Image, order: Order, *, usable: bool = True) -> Held:
        """What ``hold`` gave for an image, under the same weights; for a continuation."""
        with self._lock:
            answered = answer(self.roles, image, keep_graph=self._keeps_graph)
            looked = self._look(answered) if usable else (None, None)
            return Held(answered, order, *looked, usable=usable)

    def learn(self, held: Held | None = None) -> Adaptation:
        """May learn from the image last predicted, or from a held one.

        Raises:
            RuntimeError: nothing is held or was predicted since the last call.
        """
        with self._lock:
            held = self.hold() if held is None else held
            answered, order, seen, level = held.answered, held.order, held.signal, held.level
            step, milliseconds = self._step(answered, order)
            made = step is not None and step.made
            self.controller.done(order, step, milliseconds)
            if self.memory is not None:
                self.memory.learnt(made)
            signal = None if seen is None else float(seen)  # after the step was started
            event = None if signal is None else self.controller.observe(signal)
            self.guard.frame()
            if event is not None:
                self.guard.resume()
            bank = None
            if self.memory is not None:
                bank = self.memory.after(level, changed=event is not None)
            guarded = None
            if self.protection is not None:
                failed = step is not None and step.reason == NOT_FINITE
                guarded = self.protection.after(answered.image, learnt=made, failed=failed)
                if guarded is not None and "collapse" in guarded:
                    self.guard.resume()  # the pause is the protection's now
            return Adaptation(
                trained=made,
                losses={} if step is None else step.losses,
                learning_rate=step.learning_rate if step is not None and made else None,
                signal=signal,
                event=None if event is None else asdict(event),
                bank=bank,
                guard=guarded,
                **self.controller.told(order, step),
            )

    def _order(self, unusable: str | None) -> Order:
        """The controller's order; a frame that is not to be learnt from is told as a pause."""
        rescued = self.protection is not None and self.protection.paused
        paused = self.guard.paused or rescued or unusable is not None
        order = self.controller.order(Seen(paused, self._elapsed_ms))
        if not paused or not (order.train or order.skipped):
            return order
        if unusable is not None:
            return replace(order, train=False, skipped=f"unusable frame: {unusable}")
        return replace(order, train=False, skipped="collapse") if rescued else order

    def _elapsed_ms(self) -> float:
        return 1000 * (self._clock() - self._started)

    def _look(self, answered: Answer) -> tuple[Tensor | None, Tensor | None]:
        """The drift signal and what a domain's signature is made from, where they are wanted."""
        wanted = self.memory is not None and self.memory.needs_signature
        shrink = self._signal.shrink
        signal, level = None, None
        if self.controller.needs_signal:
            level = static_level(self.roles, answered, shrink=shrink)
            signal = disagreement(
                self.roles, answered, level, full_resolution=self._signal.full_resolution
            )
        if wanted and (level is None or shrink != self.memory.signal_shrink):
            level = static_level(self.roles, answered, shrink=self.memory.signal_shrink)
        return signal, level if wanted else None

    def _step(self, answered: Answer, order: Order) -> tuple[Step | None, float | None]:
        if not order.train:
            return None, None
        started = self._clock()
        self._let_learn(order)
        step = self.learner.learn(answered, order)
        if step.made:
            self.guard.passed()
        elif step.reason == NOT_FINITE:
            self.guard.failed()
        return step, 1000 * (self._clock() - started) if step.made else None

    def _let_learn(self, order: Order) -> None:
        """Says which tensors learn, where that is the controller's or the memory's to say."""
        names = None if self.memory is None else self.memory.narrow()
        if order.choice is not None and self.choices is not None:
            names = tuple(self.choices[order.choice])
        if names is not None:
            self.roles.learn_only(names)

    def _measure_costs(self, answered: Answer) -> None:
        """Times answers and one step of every order, the second of two, and undoes it all.

        Where the learner makes no step, as `auto` on frames like the source, a later frame is
        timed.
        """
        orders = self.controller.to_measure()
        if not orders:
            return
        before = self.learner.state_dict()
        self._let_learn(orders[0])
        if self.learner.learn(answered, orders[0]).made:
            self.learner.load_state_dict(before)
            self._time(answered, orders)
        self.roles.learn_only(())
        self.learner.load_state_dict(before)

    def _time(self, answered: Answer, orders: Sequence[Order]) -> None:
        for _ in range(WARM_ANSWERS):  # the first of all is slower than any that follow
            started = self._clock()
            self._output(answer(self.roles, answered.image))
            self.controller.answered(1000 * (self._clock() - started))
        for order in orders:
            for counted in (False, True):
                started = self._clock()
                self._let_learn(order)
                step = self.learner.learn(answered, order)
                if counted and step.made:
                    self.controller.measured(order, 1000 * (self._clock() - started))

    @torch.no_grad()
    def answers(self, image: Image) -> Mapping[str, Label]:
        """What every head says, for evaluation; remembers and changes nothing.

        ``main`` is what ``predict`` answers with: the student, with the offline role where there
        is one. ``early`` is there where the network has an early head.
        """
        with self._lock:
            answered = answer(self.roles, image)
            labels = {"main": to_label(self._output(answered), answered.size)}
            if "early" in self.roles.network.heads:
                first = self.roles.levels("student", answered.walk, depth=1)
                early = self.roles.logits("student", first, head="early")
                labels["early"] = to_label(early, answered.size)
            return labels

    def diagnose(self, image: Image) -> dict[str, Certainty | None]:
        """How sure every role is of an image; remembers and changes nothing."""
        with self._lock:
            return diagnose(self.roles, image)

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact continuation needs."""
        with self._lock:
            return {
                "learner": self.learner.state_dict(),
                "controller": self.controller.state_dict(),
                "guard": self.guard.state_dict(),
                "memory": None if self.memory is None else self.memory.state_dict(),
                "protection": None if self.protection is None else self.protection.state_dict(),
            }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a model made with the same arguments."""
        with self._lock:
            if self.choices is not None:
                self.roles.learn_only(())  # what learns is said anew with the next step
            self.learner.load_state_dict(state["learner"])
            self.controller.load_state_dict(state["controller"])
            self.guard.load_state_dict(state["guard"])
            if self.memory is not None:
                self.memory.load_state_dict(state["memory"])
                names = self.memory.narrow()
                if names is not None:
                    self.roles.learn_only(names)
            if self.protection is not None and state.get("protection") is not None:
                self.protection.load_state_dict(state["protection"])
            self._answered = None
