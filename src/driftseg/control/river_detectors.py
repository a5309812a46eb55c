"""Drift detectors of the river library, extra ``drift``."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from driftseg.control.drift import Event, Reading
from driftseg.errors import InputError


class LibraryDetector:
    """A detector of the `river` library behind the same two verbs.

    The library says when, not how much: it raises its alarm as soon as a few signals differ. So
    at an alarm the mean of the signals before the latest ``recent`` ones is the reference, the
    next ``recent`` signals are waited for, and their mean is the event's value. Then a fresh
    detector starts, so what it knows follows from the signals since: they are its state.

    The library keeps its own state in compiled objects that tell it to nobody. So every signal
    since the last change is kept, eight bytes each, to rebuild it exactly. The mean of the older
    ones is a running one: a reading costs the same however long nothing has changed.

    Args:
        name: for records.
        make: makes a river drift detector (``update(x)``, ``drift_detected``).
        recent: signals whose mean says where the world is now.
    """

    def __init__(self, name: str, make: Callable[[], Any], *, recent: int):
        self._name, self._make, self._recent = name, make, recent
        self._detector = make()
        self._signals = array("d")
        self._older, self._older_sum = 0, 0.0
        """Signals before the latest ones, and their sum."""
        self._reference: float | None = None
        """Of an alarm whose value is being measured."""
        self._level = 0

    def add(self, signal: float) -> Event | None:
        """Asks the library at every signal, or measures what it has found."""
        if not math.isfinite(signal):
            return None
        self._take(signal)
        if self._reference is not None:
            return self._measured(self._reference)
        self._detector.update(signal)
        if self._detector.drift_detected and len(self._signals) > 1:
            self._reference, _ = self._levels()
            self._forget()
        return None

    def _take(self, signal: float) -> None:
        self._signals.append(signal)
        older = len(self._signals) - min(self._recent, len(self._signals) // 2)
        if older > self._older:  # by one at most
            self._older_sum += self._signals[self._older]
            self._older = older

    def _forget(self) -> None:
        self._signals = array("d")
        self._older, self._older_sum = 0, 0.0

    def _measured(self, reference: float) -> Event | None:
        if len(self._signals) < self._recent:
            return None
        value = float(np.mean(self._signals))
        self._detector, self._reference = self._make(), None
        self._forget()
        self._level += 1 if value > reference else -1
        return Event("away" if value > reference else "back", value, reference, self._level)

    def _levels(self) -> tuple[float, float]:
        return self._older_sum / self._older, float(np.mean(self._signals[self._older :]))

    def reading(self) -> Reading:
        """Reference and recent mean; the library's own thresholds have no such form."""
        reference, mean = self._reference, None
        if reference is not None:
            mean = float(np.mean(self._signals)) if self._signals else None
        elif len(self._signals) > 1:
            reference, mean = self._levels()
        return Reading(
            self._name, mean, reference, None, None, self._level, len(self._signals), None
        )

    def state_dict(self) -> dict[str, Any]:
        """The signals since the last change or alarm."""
        return {
            "signals": list(self._signals),
            "reference": self._reference,
            "level": self._level,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Shows a fresh detector the same signals."""
        self._detector = self._make()
        self._forget()
        self._reference, self._level = state["reference"], state["level"]
        for signal in state["signals"]:
            self._take(signal)
            if self._reference is None:
                self._detector.update(signal)


def adwin(*, delta: float, recent: int) -> LibraryDetector:
    """ADWIN (Bifet and Gavalda 2007): a window that shrinks when its halves differ.

    Args:
        delta: chance of a false alarm; river's default is .002.
        recent: see `LibraryDetector`.
    """
    drift = _river()
    return LibraryDetector("adwin", lambda: drift.ADWIN(delta=delta, clock=1), recent=recent)


def page_hinkley(*, rise: float, tolerance: float, recent: int) -> LibraryDetector:
    """Page-Hinkley's test in both directions (Page 1954).

    Args:
        rise: summed deviation from the mean that is a change.
        tolerance: deviation a signal may have without being counted.
        recent: see `LibraryDetector`.
    """
    drift = _river()

    def make() -> Any:
        return drift.PageHinkley(
            min_instances=recent, delta=tolerance, threshold=rise, alpha=1.0, mode="both"
        )

    return LibraryDetector("page_hinkley", make, recent=recent)


def _river() -> Any:
    try:
        from river import drift
    except ImportError:
        raise InputError(
            "method.detector: expected the library river, got no installation. To fix: pip "
            "install 'driftseg[drift]', or set method.detector.name=window"
        ) from None
    return drift
