"""Memory of trained weights across domain changes.

There are two kinds, which can be combined:

* LAE (Gao et al., ICCV 2023): the adapters that learn, the online ones, are averaged
  into offline ones, and both answer. A task of the paper is a stretch between two detected
  changes; during the first one there is no offline adapter, which here means that it is the online
  one's copy. The paper's classes are new in every task, ours are the same.
* a bank: at a change, what was learnt is stored with a signature of the domain, and brought back
  when a stored domain returns.

The learner changes the weights: self-training, replay training, or another one.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftseg.control.bank import Bank, Signature, Turn
from driftseg.learners.contract import Learner
from driftseg.models.roles import Roles


class Memory:
    """Keeps averages of adapters, and states of domains.

    Args:
        roles: with an early static role for a bank; with ``offline_momentum``, an offline one.
        learner: whose state is stored and brought back.
        offline_momentum: of the offline adapters' average, per trained frame; LAE's .9999. None
            is no offline adapters.
        first_task: whether that average begins with the first change, as in LAE; before it the
            offline adapters are the online ones. Otherwise it begins at once.
        head_first: frames after a change in which only the head learns.
        bank: where states are stored at changes, or None.
        signal_shrink: factor by which the image is made smaller for the signature.
    """

    def __init__(
        self,
        roles: Roles,
        learner: Learner,
        *,
        offline_momentum: float | None = None,
        first_task: bool = True,
        head_first: int = 0,
        bank: Bank | None = None,
        signal_shrink: int = 1,
    ):
        self.bank = bank
        self.signal_shrink = signal_shrink
        self.brought_back = 0
        """Times a stored state was brought back."""
        self._roles, self._learner = roles, learner
        self._offline_momentum = offline_momentum
        self._head_first = head_first
        self._changed = not first_task
        self._head_frames = 0
        """Frames still to come in which only the head learns."""

    @property
    def needs_signature(self) -> bool:
        """Whether ``after`` wants the static model's first level of the frame."""
        return self.bank is not None

    def narrow(self) -> tuple[str, ...] | None:
        """The tensors that may learn from this frame; None leaves that to others."""
        if self._head_first == 0:
            return None
        network = self._roles.network
        part = network.heads["main"]
        if self._head_frames == 0 or part is None:
            return self._roles.trainable
        head = set(network.parts[part])
        return tuple(name for name in self._roles.trainable if name in head)

    def learnt(self, made: bool) -> None:
        """A frame is done with; ``made`` says whether it was learnt from."""
        if made and self._offline_momentum is not None:
            self._roles.move_offline(self._offline_momentum if self._changed else 0.0)
        if self._head_frames > 0:
            self._head_frames -= 1

    def after(self, level: Tensor | None, *, changed: bool) -> dict[str, Any] | None:
        """Looks at the frame's domain, stores and brings back.

        Args:
            level: the static model's first level, (1, C, h, w), where it is needed.
            changed: whether the world changed at this frame.

        Returns:
            What the bank did, for the record; None where it did nothing.
        """
        told = None
        if self.bank is not None and level is not None:
            turned = self.bank.see(signature(level), changed=changed)
            if changed:
                turned = self.bank.change(self._learner.learnt())
            if turned is not None:
                told = self._turn(*turned)
        if changed:
            self._changed = True
            self._head_frames = self._head_first
        return told

    def _turn(self, turn: Turn, state: dict[str, Any] | None) -> dict[str, Any]:
        """Goes on with what the bank has found; offline adapters stay, an average over domains."""
        if state is not None:
            self._learner.bring_back(state)
            self.brought_back += 1
        return {**asdict(turn), "bytes": self.stored_bytes()}

    def stored_bytes(self) -> int:
        """Memory of what the bank holds."""
        return sum(_bytes(state) for state in self.bank.states()) if self.bank is not None else 0

    def state_dict(self) -> dict[str, Any]:
        """The bank's state, and where the stay in the present domain stands."""
        return {
            "bank": None if self.bank is None else self.bank.state_dict(),
            "changed": self._changed,
            "head_frames": self._head_frames,
            "brought_back": self.brought_back,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        if self.bank is not None:
            self.bank.load_state_dict(state["bank"])
        self._changed = state["changed"]
        self._head_frames = state["head_frames"]
        self.brought_back = state["brought_back"]


@torch.no_grad()
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
