"""A bank of what was learnt in every domain, found again by how the domain looks.

A storm returns. What was learnt in it need not be learnt twice: when the world changes, the present
state is stored with a signature of the domain just left, and if the world now looks like a stored
domain, that one's state is brought back at once. Signatures are vectors that do not depend on what
was learnt; what a state is, the bank does not ask.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError

Signature = npt.NDArray[np.float64]
"""(2, C): means and standard deviations of C features."""


@dataclass(frozen=True)
class Turn:
    """What became of a change."""

    stored: int | None
    """Number of the domain under which the state was stored; None when its visit was too short to
    know what it looks like."""
    found: int | None
    """Number of the domain whose state is brought back; None when none is."""
    distance: float | None
    """From how the world looks now to the domain just left."""
    nearest: float | None
    """To the nearest other stored domain; None when there is none."""
    domains: int
    """Stored now."""


@dataclass
class _Entry:
    signature: Signature
    frames: int
    state: Any
    used: int
    """The change at which it was last stored or brought back."""


class _Visit:
    """What a stay looks like, but for its latest frames, which may be another domain's."""

    def __init__(self, recent: int):
        self.recent = recent
        self._sum: Signature | None = None
        self.frames = 0
        self._blocks: list[Signature] = []
        """Means of every ``recent`` frames."""
        self._block: list[Signature] = []

    def add(self, signature: Signature) -> None:
        self._sum = signature if self._sum is None else self._sum + signature
        self.frames += 1
        self._block.append(signature)
        if len(self._block) == self.recent:
            self._blocks.append(np.mean(self._block, axis=0))
            self._block = []

    def signature(self) -> Signature | None:
        return None if self._sum is None else self._sum / self.frames

    def error(self) -> float:
        """How far two such stays in one domain may lie apart by chance.

        Twice as far as consecutive blocks, over the root of their number; 0 with less than two.
        """
        pairs = list(itertools.pairwise(self._blocks))
        if not pairs:
            return 0.0
        apart = float(np.mean([distance(a, b) for a, b in pairs]))
        return 2 * apart / math.sqrt(len(self._blocks))

    def state_dict(self) -> dict[str, Any]:
        return {"sum": self._sum, "frames": self.frames, "blocks": [*self._blocks],
                "block": [*self._block]}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sum, self.frames = state["sum"], state["frames"]
        self._blocks, self._block = [*state["blocks"]], [*state["block"]]


class Bank:
    """Stored states, the one unused longest making way for a new one.

    Two things are decided at a change. The state goes to a stored domain if the visit looks like it
    up to chance, otherwise to a new one. And the state of the stored domain that looks most like
    the world now is brought back, if it is clearly more like it than the domain just left.

    Args:
        domains: states held at most.
        recent: last frames whose mean signature says how the world looks now.
        nearer: how much more alike: its distance from now is at most this share of the distance
            between now and the domain just left. So no distance has to be set, and a false alarm
            brings nothing back.
    """

    def __init__(self, *, domains: int, recent: int, nearer: float):
        if domains < 2 or recent < 1 or not 0 < nearer < 1:
            raise InputError(
                f"the bank wants domains >= 2, recent >= 1 and 0 < nearer < 1, not domains "
                f"{domains}, recent {recent}, nearer {nearer}"
            )
        self._domains, self._nearer = domains, nearer
        self._recent: deque[Signature] = deque(maxlen=recent)
        self._visit = _Visit(recent)
        self._entries: dict[int, _Entry] = {}
        self._numbers = 0
        self._changes = 0

    def see(self, signature: Signature) -> None:
        """Takes one frame's signature."""
        if len(self._recent) == self._recent.maxlen:
            self._visit.add(self._recent[0])
        self._recent.append(signature)

    def change(self, state: Any) -> tuple[Turn, Any]:
        """Stores the present state under the domain just left; finds what to go on with.

        Frames before the ``recent`` ones are the domain's that was left, since a change is found
        after it has happened.

        Returns:
            What was done, and the state to go on with, None for the present one.
        """
        self._changes += 1
        left = self._visit.signature()
        if left is None:
            return Turn(None, None, None, None, len(self._entries)), None
        now: Signature = np.mean(self._recent, axis=0)
        gone = distance(now, left)
        known = self._known(left)
        others = {n: distance(now, e.signature) for n, e in self._entries.items() if n != known}
        nearest = min(others, key=others.__getitem__, default=None)
        found = nearest if nearest is not None and others[nearest] <= self._nearer * gone else None
        if found is not None:
            self._entries[found].used = self._changes
        stored = self._store(known, left, state, spared=found)
        self._visit = _Visit(self._visit.recent)
        apart = None if nearest is None else others[nearest]
        turn = Turn(stored, found, gone, apart, len(self._entries))
        return turn, None if found is None else self._entries[found].state

    def states(self) -> list[Any]:
        """All that is stored."""
        return [entry.state for entry in self._entries.values()]

    def _known(self, left: Signature) -> int | None:
        """The stored domain that the visit was in, as far as its looks tell."""
        apart = {n: distance(left, e.signature) for n, e in self._entries.items()}
        nearest = min(apart, key=apart.__getitem__, default=None)
        if nearest is None or apart[nearest] > self._visit.error():
            return None
        return nearest

    def _store(self, known: int | None, left: Signature, state: Any, spared: int | None) -> int:
        """The number under which the state is kept; ``spared`` does not make way."""
        if known is not None:
            entry = self._entries[known]
            frames = entry.frames + self._visit.frames
            mean = (entry.signature * entry.frames + left * self._visit.frames) / frames
            self._entries[known] = _Entry(mean, frames, state, self._changes)
            return known
        if len(self._entries) == self._domains:
            unused = {n: e.used for n, e in self._entries.items() if n != spared}
            del self._entries[min(unused, key=unused.__getitem__)]
        number, self._numbers = self._numbers, self._numbers + 1
        self._entries[number] = _Entry(left, self._visit.frames, state, self._changes)
        return number

    def state_dict(self) -> dict[str, Any]:
        """Everything stored and seen; states as they are."""
        return {
            "recent": [*self._recent],
            "visit": self._visit.state_dict(),
            "entries": {
                n: {"signature": e.signature, "frames": e.frames, "state": e.state, "used": e.used}
                for n, e in self._entries.items()
            },
            "numbers": self._numbers,
            "changes": self._changes,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a bank made with the same arguments."""
        self._recent.clear()
        self._recent.extend(state["recent"])
        self._visit.load_state_dict(state["visit"])
        self._entries = {int(n): _Entry(**entry) for n, entry in state["entries"].items()}
        self._numbers, self._changes = state["numbers"], state["changes"]


def distance(a: Signature, b: Signature) -> float:
    """How differently two domains' features are distributed, in their own deviations.

    Root mean square over features of the Fréchet distance between two normal distributions,
    sqrt((m1 - m2)^2 + (s1 - s2)^2), over their mean deviation (s1 + s2) / 2.
    """
    scale = np.maximum((a[1] + b[1]) / 2, 1e-6)
    return float(np.sqrt(np.mean(np.sum(((a - b) / scale) ** 2, axis=0))))
