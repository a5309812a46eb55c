"""A bank of what was learnt in every domain, found again by how the domain looks.

A storm returns. What was learnt in it need not be learnt twice: when the world changes, the present
state is stored with a signature of the domain just left, and if the world now looks like a stored
domain, that one's state is brought back at once. Signatures are vectors that do not depend on what
was learnt; what a state is, the bank does not ask.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from driftseg.errors import InputError
from driftseg.settings import Settings

Signature = npt.NDArray[np.float64]
"""(2, C): means and standard deviations of C features."""


class BankSettings(Settings):
    """States of domains, stored at changes and brought back when the domain returns."""

    domains: Annotated[int, Field(ge=2)] = 8
    """States held at most; the one stored longest ago makes way."""
    nearer: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """A stored domain has returned when it is at most this share as far from how the world looks
    now as the domain just left."""
    recent: PositiveInt | None = None
    """Last frames that say how the world looks now; null takes the detector's window, below which
    frames of a new domain would be taken for the old one's."""

    def make_bank(self, window: int) -> Bank:
        """The bank, empty.

        Args:
            window: frames that the detector needs for one decision.

        Raises:
            InputError: fewer recent frames are looked at than the detector needs.
        """
        recent = window if self.recent is None else self.recent
        if recent < window:
            raise InputError(
                f"recent: expected at least {window} frames, the detector's window, because fewer "
                "would leave frames of a new domain in the signature of the old one, got "
                f"{recent}. To fix: set more, or null"
            )
        return Bank(domains=self.domains, recent=recent, nearer=self.nearer)


@dataclass(frozen=True)
class Turn:
    """What became of a change."""

    stored: int | None
    """Number of the domain under which the state was stored; None where none was."""
    found: int | None
    """Number of the domain whose state is brought back; None when none is."""
    distance: float | None
    """From how the world looks now to the domain left."""
    nearest: float | None
    """To the nearest other stored domain; None when there is none."""
    domains: int
    """Stored now."""


@dataclass
class _Entry:
    signature: Signature
    frames: int
    state: Any
    stored: int
    """At which change, counted from the first."""


class _Visit:
    """What a stay looks like, but for its latest frames, which may be another domain's."""

    def __init__(self, recent: int):
        self.recent: deque[Signature] = deque(maxlen=recent)
        self.frames = 0
        """Those that are not recent any more."""
        self._sum: Signature | None = None
        self._blocks: list[Signature] = []
        """Means of as many frames as are recent."""
        self._block: list[Signature] = []

    def add(self, signature: Signature) -> None:
        if len(self.recent) == self.recent.maxlen:
            self._settle(self.recent[0])
        self.recent.append(signature)

    def _settle(self, signature: Signature) -> None:
        self._sum = signature if self._sum is None else self._sum + signature
        self.frames += 1
        self._block.append(signature)
        if len(self._block) == self.recent.maxlen:
            self._blocks.append(np.mean(self._block, axis=0))
            self._block = []

    def now(self) -> Signature:
        """Of the recent frames."""
        mean: Signature = np.mean(self.recent, axis=0)
        return mean

    def signature(self) -> Signature | None:
        """Of the others; None where they are less than two blocks, too few to know."""
        return None if self._sum is None or len(self._blocks) < 2 else self._sum / self.frames

    def spread(self) -> float:
        """How far a block of the stay lies from the whole, root mean square."""
        whole = np.mean(self._blocks, axis=0)
        return float(np.sqrt(np.mean([distance(block, whole) ** 2 for block in self._blocks])))

    def state_dict(self) -> dict[str, Any]:
        return {"recent": [*self.recent], "frames": self.frames, "sum": self._sum,
                "blocks": [*self._blocks], "block": [*self._block]}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.recent.clear()
        self.recent.extend(state["recent"])
        self.frames, self._sum = state["frames"], state["sum"]
        self._blocks, self._block = [*state["blocks"]], [*state["block"]]


class Bank:
    """Stored states, the one stored longest ago making way for a new one.

    At a change the state goes to the stored domain that the visit looks like, up to the spread of
    its own scenes, otherwise to a new one. Then the stored domain that looks most like the world
    now is looked for, twice: at once, when the frames looked at may still be partly the old
    domain's, and when ``recent`` frames of the new one have been seen. Its state is brought back if
    it is clearly more like the world than the domain left.

    Args:
        domains: states held at most.
        recent: last frames whose mean signature says how the world looks now. At least as many as
            pass before a change is found; a visit shorter than three times as many is not stored.
        nearer: how much more alike: its distance from now is at most this share of the distance
            between now and the domain left. So no distance has to be set, and in a domain that has
            not changed nothing is brought back.
    """

    def __init__(self, *, domains: int, recent: int, nearer: float):
        if domains < 2 or recent < 1 or not 0 < nearer < 1:
            raise InputError(
                "bank: expected domains >= 2, recent >= 1 and 0 < nearer < 1, got domains "
                f"{domains}, recent {recent}, nearer {nearer}. To fix: set such values"
            )
        self._domains, self._recent, self._nearer = domains, recent, nearer
        self._visit = _Visit(recent)
        self._left: Signature | None = None
        """Of the domain left at the last change that ended a visit long enough."""
        self._left_as: int | None = None
        """Its number."""
        self._present: int | None = None
        """The domain brought back in this visit, if one was."""
        self._to_wait = 0
        """Frames until the second look."""
        self._entries: dict[int, _Entry] = {}
        self._numbers = 0
        self._changes = 0

    def see(self, signature: Signature, *, changed: bool = False) -> tuple[Turn, Any] | None:
        """Takes one frame's signature; tells of the second look when it brings a state back.

        Args:
            signature: the frame's.
            changed: whether `change` is told next. It looks at the same frames, so the second look
                is left to it: what the second look brought back would be stored as learnt here.
        """
        self._visit.add(signature)
        if self._to_wait == 0 or changed:
            return None
        self._to_wait -= 1
        if self._to_wait > 0:
            return None
        turn, state = self._look(None)
        return None if turn.found is None else (turn, state)

    def change(self, state: Any) -> tuple[Turn, Any]:
        """Stores the present state under the domain just left; finds what to go on with.

        Returns:
            What was done, and the state to go on with, None for the present one.
        """
        self._changes += 1
        visit, signature = self._visit, self._visit.signature()
        stored = None
        if signature is not None:
            stored = self._store(visit, signature, state)
            self._left, self._left_as, self._present = signature, stored, None
        self._visit = _Visit(self._recent)
        self._to_wait = self._recent
        if not visit.recent:
            return Turn(stored, None, None, None, len(self._entries)), None
        return self._look(stored, visit.now())

    def states(self) -> list[Any]:
        """All that is stored."""
        return [entry.state for entry in self._entries.values()]

    def _look(self, stored: int | None, now: Signature | None = None) -> tuple[Turn, Any]:
        """The stored domain most like the world now, if it is clearly so."""
        now = self._visit.now() if now is None else now
        others = {n: distance(now, e.signature) for n, e in self._entries.items()
                  if n != self._left_as}  # fmt: skip
        nearest = min(others, key=others.__getitem__, default=None)
        gone = None if self._left is None else distance(now, self._left)
        apart = None if nearest is None else others[nearest]
        found = None
        if gone is not None and apart is not None and apart <= self._nearer * gone:
            found = None if nearest == self._present else nearest
        turn = Turn(stored, found, gone, apart, len(self._entries))
        if found is None:
            return turn, None
        self._present = found
        return turn, self._entries[found].state

    def _store(self, visit: _Visit, signature: Signature, state: Any) -> int:
        """The number under which the state is kept."""
        apart = {n: distance(signature, e.signature) for n, e in self._entries.items()}
        known = min(apart, key=apart.__getitem__, default=None)
        if known is not None and apart[known] <= visit.spread():
            entry = self._entries[known]
            frames = entry.frames + visit.frames
            mean = (entry.signature * entry.frames + signature * visit.frames) / frames
            self._entries[known] = _Entry(mean, frames, state, self._changes)
            return known
        if len(self._entries) == self._domains:
            now = visit.now()  # what it looks like is about to be wanted
            spared = min(self._entries, key=lambda n: distance(now, self._entries[n].signature))
            earlier = {n: e.stored for n, e in self._entries.items() if n != spared}
            del self._entries[min(earlier, key=earlier.__getitem__)]
        number, self._numbers = self._numbers, self._numbers + 1
        self._entries[number] = _Entry(signature, visit.frames, state, self._changes)
        return number

    def state_dict(self) -> dict[str, Any]:
        """Everything stored and seen; states as they are."""
        return {
            "visit": self._visit.state_dict(),
            "left": self._left,
            "left_as": self._left_as,
            "present": self._present,
            "to_wait": self._to_wait,
            "entries": {
                n: {
                    "signature": e.signature,
                    "frames": e.frames,
                    "state": e.state,
                    "stored": e.stored,
                }
                for n, e in self._entries.items()
            },
            "numbers": self._numbers,
            "changes": self._changes,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a bank made with the same arguments."""
        self._visit.load_state_dict(state["visit"])
        self._left, self._left_as = state["left"], state["left_as"]
        self._present, self._to_wait = state["present"], state["to_wait"]
        self._entries = {int(n): _Entry(**entry) for n, entry in state["entries"].items()}
        self._numbers, self._changes = state["numbers"], state["changes"]


def distance(a: Signature, b: Signature) -> float:
    """How differently two domains' features are distributed, in their own deviations.

    Root mean square over features of the Fréchet distance between two normal distributions,
    sqrt((m1 - m2)^2 + (s1 - s2)^2), over their mean deviation (s1 + s2) / 2.
    """
    scale = np.maximum((a[1] + b[1]) / 2, 1e-6)
    return float(np.sqrt(np.mean(np.sum(((a - b) / scale) ** 2, axis=0))))
