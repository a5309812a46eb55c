"""A bank of what was learnt in every domain, found again by how the domain looks.

A storm returns. What was learnt in it need not be learnt twice: when the world changes, the present
state is stored with a signature of the domain just left, and if the world now looks like a stored
domain, that one's state is brought back at once. Signatures are vectors that do not depend on what
was learnt; what a state is, the bank does not ask.
"""

from __future__ import annotations

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
    """Number of the domain whose state was stored; None when its visit was too short to know."""
    found: int | None
    """Number of the domain that has returned; None when the world looks like no stored one."""
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


class Bank:
    """Stored states, the one unused longest making way for a new one.

    Args:
        domains: states held at most.
        recent: last frames whose mean signature says how the world looks now.
        nearer: a stored domain has returned when its distance from now is at most this share of
            the distance between now and the domain just left. So no distance has to be set, and
            a false alarm brings nothing back.
    """

    def __init__(self, *, domains: int, recent: int, nearer: float):
        if domains < 1 or recent < 1 or not 0 < nearer < 1:
            raise InputError(
                f"the bank wants domains >= 1, recent >= 1 and 0 < nearer < 1, not domains "
                f"{domains}, recent {recent}, nearer {nearer}"
            )
        self._domains, self._nearer = domains, nearer
        self._recent: deque[Signature] = deque(maxlen=recent)
        self._sum: Signature | None = None
        self._frames = 0
        self._entries: dict[int, _Entry] = {}
        self._present: int | None = None
        """The stored domain that the present visit is in, if it is one."""
        self._numbers = 0
        self._changes = 0

    def see(self, signature: Signature) -> None:
        """Takes one frame's signature."""
        if len(self._recent) == self._recent.maxlen:
            oldest = self._recent[0]
            self._sum = oldest.copy() if self._sum is None else self._sum + oldest
            self._frames += 1
        self._recent.append(signature)

    def change(self, state: Any) -> tuple[Turn, Any]:
        """Stores the present state under the domain just left; finds the one that has come.

        Frames before the ``recent`` ones are the domain's that was left, since a change is found
        after it has happened.

        Returns:
            What was done, and the state to go on with, None for the present one.
        """
        self._changes += 1
        left, now = self._left(), self._now()
        if left is None or now is None:
            self._begin(None)
            return Turn(None, None, None, None, len(self._entries)), None
        gone = distance(now, left)
        stored = self._store(left, gone, state)
        others = {n: distance(now, e.signature) for n, e in self._entries.items() if n != stored}
        nearest = min(others, key=others.__getitem__, default=None)
        found = nearest if nearest is not None and others[nearest] <= self._nearer * gone else None
        self._begin(found)
        turn = Turn(
            stored, found, gone, None if nearest is None else others[nearest], len(self._entries)
        )
        if found is None:
            return turn, None
        self._entries[found].used = self._changes
        return turn, self._entries[found].state

    def states(self) -> list[Any]:
        """All that is stored."""
        return [entry.state for entry in self._entries.values()]

    def _now(self) -> Signature | None:
        return np.mean(self._recent, axis=0) if self._recent else None

    def _left(self) -> Signature | None:
        return None if self._sum is None else self._sum / self._frames

    def _begin(self, domain: int | None) -> None:
        """A new visit; the recent frames are its first."""
        self._sum, self._frames, self._present = None, 0, domain

    def _store(self, left: Signature, gone: float, state: Any) -> int:
        """The number under which the state is kept; a domain known already keeps its own."""
        number = self._present
        if number is None:  # a false alarm may have parted a visit
            near = {n: distance(left, e.signature) for n, e in self._entries.items()}
            nearest = min(near, key=near.__getitem__, default=None)
            if nearest is not None and near[nearest] <= self._nearer * gone:
                number = nearest
        if number in self._entries:
            entry = self._entries[number]
            frames = entry.frames + self._frames
            signature = (entry.signature * entry.frames + left * self._frames) / frames
            self._entries[number] = _Entry(signature, frames, state, self._changes)
            return number
        if len(self._entries) == self._domains:
            del self._entries[min(self._entries, key=lambda n: self._entries[n].used)]
        number, self._numbers = self._numbers, self._numbers + 1
        self._entries[number] = _Entry(left, self._frames, state, self._changes)
        return number

    def state_dict(self) -> dict[str, Any]:
        """Everything stored and seen; states as they are."""
        return {
            "recent": [signature.copy() for signature in self._recent],
            "sum": None if self._sum is None else self._sum.copy(),
            "frames": self._frames,
            "entries": {
                n: {"signature": e.signature, "frames": e.frames, "state": e.state, "used": e.used}
                for n, e in self._entries.items()
            },
            "present": self._present,
            "numbers": self._numbers,
            "changes": self._changes,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a bank made with the same arguments."""
        self._recent.clear()
        self._recent.extend(state["recent"])
        self._sum, self._frames = state["sum"], state["frames"]
        self._entries = {int(n): _Entry(**entry) for n, entry in state["entries"].items()}
        self._present = state["present"]
        self._numbers, self._changes = state["numbers"], state["changes"]


def distance(a: Signature, b: Signature) -> float:
    """How differently two domains' features are distributed, in their own deviations.

    Root mean square over features of the Fréchet distance between two normal distributions,
    sqrt((m1 - m2)^2 + (s1 - s2)^2), over their mean deviation (s1 + s2) / 2.
    """
    scale = np.maximum((a[1] + b[1]) / 2, 1e-6)
    return float(np.sqrt(np.mean(np.sum(((a - b) / scale) ** 2, axis=0))))
