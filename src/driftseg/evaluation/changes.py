"""Compares detected changes with true ones: delays, missed changes and false alarms.

The true changes cut the stream into stretches: one before the first change, and one from every
change until the next. An event belongs to the stretch of its frame:

* an event before the first true change is a false alarm;
* the first event of a stretch *answers* the change at its start, in any direction. Its delay is
  counted from the first frame of the new domain (0: detected on that frame);
* every further event of that stretch is a *repeat*. It is a false alarm, even if its direction is
  right and that of the first event is wrong;
* a change without an event in its stretch is missed. An event after the next change counts for
  that newer change, and the older one is missed.

Two visits to one domain in a row are one stretch, because the domain does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Way = Literal["away", "back"]


@dataclass(frozen=True)
class Change:
    """A true change of the domain."""

    frame: int
    """Position in the stream of the new domain's first frame."""
    domain: str
    way: Way | None
    """``away`` into stronger weather, ``back`` into weaker; None if neither is known."""


@dataclass(frozen=True)
class Event:
    """A detected change."""

    frame: int
    way: Way


@dataclass(frozen=True)
class Answer:
    """A true change and the event that answers it."""

    change: Change
    event: Event | None

    @property
    def delay(self) -> int | None:
        """Frames from the change to its event; None if it was missed."""
        return None if self.event is None else self.event.frame - self.change.frame

    @property
    def right_way(self) -> bool | None:
        """Whether the event has the true direction; None if that is not known."""
        if self.event is None or self.change.way is None:
            return None
        return self.event.way == self.change.way


@dataclass(frozen=True)
class Detection:
    """All true changes, answered or missed, and the events that answer none."""

    answers: tuple[Answer, ...]
    """One per true change, in order."""
    early: tuple[Event, ...]
    """Events before the first true change."""
    repeats: tuple[Event, ...]
    """Events after the one that answered the change of their stretch."""

    @property
    def found(self) -> int:
        """Number of true changes with an event."""
        return sum(answer.event is not None for answer in self.answers)

    @property
    def missed(self) -> int:
        """Number of true changes without an event."""
        return len(self.answers) - self.found

    @property
    def false_alarms(self) -> int:
        """Number of events that answer no change: early ones and repeats."""
        return len(self.early) + len(self.repeats)

    @property
    def mean_delay(self) -> float:
        """Mean delay of found changes in frames; NaN if none was found."""
        delays = [answer.delay for answer in self.answers if answer.delay is not None]
        return sum(delays) / len(delays) if delays else float("nan")

    @property
    def right_ways(self) -> tuple[int, int]:
        """Number of answers with the true direction, and number of answers with a known one."""
        told = [answer.right_way for answer in self.answers if answer.right_way is not None]
        return sum(told), len(told)


def true_changes(
    domains: Sequence[str],
    frames: Sequence[int],
    strengths: Sequence[float | None],
    *,
    home: str | None = None,
) -> list[Change]:
    """The true changes of a stream.

    Args:
        domains: of each visit.
        frames: number in each visit; a visit without frames is skipped.
        strengths: of each visit's weather in any unit, None if it is not known.
        home: the method's home domain; a stream that starts in another domain starts with a change
            away. None counts no such change.
    """
    changes: list[Change] = []
    start, before = 0, None
    for domain, length, strength in zip(domains, frames, strengths, strict=True):
        if not length:
            continue
        if before is None and home is not None and domain != home:
            changes.append(Change(0, domain, "away"))
        if before is not None and domain != before[0]:
            changes.append(Change(start, domain, _way(before[1], strength)))
        start, before = start + length, (domain, strength)
    return changes


def _way(before: float | None, after: float | None) -> Way | None:
    if before is None or after is None or before == after:
        return None
    return "away" if after > before else "back"


def compare(changes: Sequence[Change], events: Sequence[Event]) -> Detection:
    """Compares detected changes with true ones, by the rules in the module's docstring.

    Args:
        changes: in order of frames, each frame once.
        events: in any order.
    """
    ordered = sorted(events, key=lambda event: event.frame)
    ends = [*(change.frame for change in changes[1:]), None]
    answers: list[Answer] = []
    repeats: list[Event] = []
    for change, end in zip(changes, ends, strict=False):
        here = [e for e in ordered if e.frame >= change.frame and (end is None or e.frame < end)]
        answers.append(Answer(change, here[0] if here else None))
        repeats += here[1:]
    first = changes[0].frame if changes else None
    early = [e for e in ordered if first is None or e.frame < first]
    return Detection(tuple(answers), tuple(early), tuple(repeats))
