"""A learner that keeps what it has learnt of the world when the world changes.

Two ways, alone or together:

* LAE (Gao et al., ICCV 2023, methods E.5): the adapters that learn, the online ones, are averaged
  into offline ones, and both answer. A task of the paper is a stretch between two detected
  changes; during the first one there is no offline adapter, which here means that it is the online
  one's copy. The paper's classes are new in every task, ours are the same.
* a bank: at a change, what was learnt is stored with a signature of the domain, and brought back
  when a stored domain returns.

How it learns is another method's business: DACS, restyled replay, HAMLET. Its student is the online
adapter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftseg.control.bank import Bank, Signature, Turn
from driftseg.control.drift import Detector
from driftseg.frame import Adaptation, Image, Prediction
from driftseg.methods.base import Answer, Learner, to_prediction, with_offline
from driftseg.methods.signal import disagreement, first_level


@dataclass(frozen=True)
class _Sight:
    """What the static model's first stage makes of a frame."""

    signal: float | None
    signature: Signature


class DomainMemory:
    """Answers with, and learns by, another method, and remembers.

    Args:
        learner: its roles have an early static role; with ``offline_momentum``, an offline one.
        detector: finds changes in the drift signal; None takes the learner's own, or finds none.
        offline_momentum: of the offline adapters' average, per trained frame; LAE's .9999. None
            is no offline adapters.
        first_task: whether that average begins with the first change, as in LAE; before it the
            offline adapters are the online ones. Otherwise it begins at once.
        head_first: frames after a change in which only the head learns.
        bank: where states are stored at changes, or None.
        signal_shrink: factor by which the image is made smaller for signal and signature.
    """

    def __init__(
        self,
        learner: Learner,
        *,
        detector: Detector | None,
        offline_momentum: float | None = None,
        first_task: bool = True,
        head_first: int = 0,
        bank: Bank | None = None,
        signal_shrink: int = 1,
    ):
        self.learner = learner
        self.roles = learner.roles
        self.bank = bank
        self._detector = detector
        self._offline_momentum = offline_momentum
        self._head_first = head_first
        self._signal_shrink = signal_shrink
        self._changed = not first_task
        self._head_frames = 0
        """Frames still to come in which only the head learns."""
        self._brought_back = 0
        self._answer: Answer | None = None

    @property
    def updates(self) -> int:
        """Times the weights have changed, by learning or by being brought back."""
        return self.learner.updates + self._brought_back

    def predict(self, image: Image) -> Prediction:
        """The student's answer, with that of the offline adapters where there are any."""
        self._answer = self.learner.answer(image)
        return to_prediction(with_offline(self.roles, self._answer), self._answer.size)

    def adapt(self) -> Adaptation:
        """Looks for a change, lets the learner learn, and keeps what is to be kept."""
        answered, self._answer = self._answer, None
        if answered is None:
            raise RuntimeError("adapt() learns from a prediction: call predict() first")
        sight = self._look(answered)
        adaptation = self.learner.adapt()
        if adaptation.trained:
            self._accumulate()
        if self._head_frames > 0:
            self._head_frames -= 1
            self._let_learn()
        if self._detector is not None and sight is not None and sight.signal is not None:
            event = self._detector.add(sight.signal)
            adaptation = replace(
                adaptation,
                signal=sight.signal,
                event=None if event is None else asdict(event),
                detector=asdict(self._detector.reading()),
            )
        told = None
        if self.bank is not None and sight is not None:
            second = self.bank.see(sight.signature)
            told = None if second is None else self._turn(*second)
        if adaptation.event is not None:
            told = self._change()
        return replace(adaptation, bank=told)

    def stored_bytes(self) -> int:
        """Memory of what the bank holds."""
        return sum(_bytes(state) for state in self.bank.states()) if self.bank is not None else 0

    @torch.no_grad()
    def _look(self, answered: Answer) -> _Sight | None:
        if self._detector is None and self.bank is None:
            return None
        level = first_level(self.roles, answered, shrink=self._signal_shrink)
        signal = None
        if self._detector is not None:
            signal = disagreement(self.roles, answered, level)
        return _Sight(signal, signature(level))

    def _accumulate(self) -> None:
        if self._offline_momentum is not None:
            self.roles.move_offline(self._offline_momentum if self._changed else 0.0)

    def _change(self) -> dict[str, Any] | None:
        """The world has changed."""
        self._changed = True
        told = None
        if self.bank is not None:
            told = self._turn(*self.bank.change(self.learner.learnt()))
        self._head_frames = self._head_first
        self._let_learn()
        return told

    def _turn(self, turn: Turn, state: dict[str, Any] | None) -> dict[str, Any]:
        """Goes on with what the bank has found; offline adapters stay, an average over domains."""
        if state is not None:
            self.learner.bring_back(state)
            self._brought_back += 1
        return {**asdict(turn), "bytes": self.stored_bytes()}

    def _let_learn(self) -> None:
        """Says which tensors learn, where that is this method's to say."""
        if self._head_first == 0:
            return
        names = self.roles.trainable
        if self._head_frames > 0:
            head = set(self.roles.model.groups()["head"])
            names = tuple(name for name in names if name in head)
        self.roles.learn_only(names)

    def state_dict(self) -> dict[str, Any]:
        """The learner's state, the detector's, the bank's."""
        return {
            "learner": self.learner.state_dict(),
            "detector": None if self._detector is None else self._detector.state_dict(),
            "bank": None if self.bank is None else self.bank.state_dict(),
            "changed": self._changed,
            "head_frames": self._head_frames,
            "brought_back": self._brought_back,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.learner.load_state_dict(state["learner"])
        if self._detector is not None:
            self._detector.load_state_dict(state["detector"])
        if self.bank is not None:
            self.bank.load_state_dict(state["bank"])
        self._changed = state["changed"]
        self._head_frames = state["head_frames"]
        self._brought_back = state["brought_back"]
        self._let_learn()


def signature(level: Tensor) -> Signature:
    """Mean and standard deviation of every channel of a first level (1, C, h, w)."""
    features = level[0].flatten(1)
    stacked = torch.stack([features.mean(dim=1), features.std(dim=1)])
    return np.asarray(stacked.double().cpu().numpy(), dtype=np.float64)


def _bytes(state: Any) -> int:
    if isinstance(state, Tensor):
        return state.numel() * state.element_size()
    if isinstance(state, dict):
        return sum(_bytes(value) for value in state.values())
    return sum(_bytes(value) for value in state) if isinstance(state, list | tuple) else 0
