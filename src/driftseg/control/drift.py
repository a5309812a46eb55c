"""When the world has changed: from one number a frame to events.

Every detector has the same two verbs: ``add(signal)`` takes the frame's drift signal and returns
an event when it finds a change, ``reading()`` says what it sees, for records and reports.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from driftseg.errors import InputError

Direction = Literal["away", "back"]
"""away: the signal rose, the world is farther from the source than before; back: it fell."""


@dataclass(frozen=True)
class Event:
    """A detected change."""

    direction: Direction
    value: float
    """The signal's present level."""
    reference: float
    """Its level before the change."""
    level: int
    """Changes away minus changes back since the start, this one included."""


@dataclass(frozen=True)
class Reading:
    """What a detector sees; null where the detector has no such thing."""

    name: str
    mean: float | None
    """Of the signals looked at now."""
    reference: float | None
    rise: float | None
    fall: float | None
    """Difference to the reference that is a change; fall is negative."""
    level: int
    filled: int
    """Signals looked at now."""
    window: int | None
    """Signals that one decision needs."""


class Detector(Protocol):
    """Finds changes in a signal."""

    def add(self, signal: float) -> Event | None:
        """Takes one frame's signal; one that is not finite is passed over."""
        ...

    def reading(self) -> Reading:
        """What it sees at this moment."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...


class WindowDetector:
    """Compares window after window with the first one since the last change (HAMLET, ICCV 2023).

    Windows do not overlap. The first full window after a change is the reference; a later
    window whose mean differs from it by more than a threshold is a change. Since the reference
    stays, slow drifts add up to a detection.

    Args:
        window: signals averaged for one decision. HAMLET's code: 75.
        rise: difference above which the world has moved away. HAMLET's: 0.23.
        fall: difference below which it has come back, negative. HAMLET's: -0.23.
        start: the signal's level on the source, if it is known: a stream that begins far from
            it begins with a change. None, as published: the first window is only a reference.
        start_rises: how many times ``rise`` the first window must differ from ``start``, since
            another street alone makes a difference.
        overlapping_reference: do as HAMLET's released code: the reference window is not cleared,
            so the next frame compares it, one signal longer, with itself.
    """

    def __init__(
        self,
        *,
        window: int,
        rise: float,
        fall: float,
        start: float | None = None,
        start_rises: float = 3.0,
        overlapping_reference: bool = False,
    ):
        if window < 1 or not rise > 0 > fall:
            raise InputError(
                f"detector: expected window >= 1 and rise > 0 > fall, got window {window}, rise "
                f"{rise}, fall {fall}. To fix: set such values"
            )
        self._window, self._rise, self._fall = window, rise, fall
        self._start, self._start_rise = start, start_rises * rise
        self._overlapping = overlapping_reference
        self._signals: list[float] = []
        self._reference: float | None = None
        self._level = 0

    def add(self, signal: float) -> Event | None:
        """Decides when the window is full."""
        if not math.isfinite(signal):
            return None
        self._signals.append(signal)
        if len(self._signals) < self._window:
            return None
        value = float(np.mean(self._signals))
        start, self._start = self._start, None
        if start is not None and value - start > self._start_rise:
            self._signals, self._level = [], 1
            return Event("away", value, start, self._level)
        if self._reference is None:
            self._reference = value
            if not self._overlapping:
                self._signals = []
            return None
        self._signals = []
        difference = value - self._reference
        if self._fall <= difference <= self._rise:
            return None
        reference, self._reference = self._reference, None
        self._level += 1 if difference > 0 else -1
        return Event("away" if difference > 0 else "back", value, reference, self._level)

    def reading(self) -> Reading:
        """Mean of the window as far as it is filled, and what it will be compared with."""
        mean = float(np.mean(self._signals)) if self._signals else None
        return Reading(
            "window", mean, self._reference, self._rise, self._fall, self._level,
            len(self._signals), self._window,
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """The window, the reference, the level, and whether the start is still to be judged."""
        return {
            "signals": list(self._signals),
            "reference": self._reference,
            "level": self._level,
            "start": self._start,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a detector made with the same arguments."""
        self._signals = list(state["signals"])
        self._reference, self._level = state["reference"], state["level"]
        self._start = state["start"]


def changes(detector: Detector, signals: Sequence[float]) -> list[tuple[int, Event]]:
    """All events of a whole series with their positions."""
    found = []
    for position, signal in enumerate(signals):
        event = detector.add(signal)
        if event is not None:
            found.append((position, event))
    return found
