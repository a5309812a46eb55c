"""What a tracker is given, and what it has to offer.

A tracker only translates: `driftseg.trackers.courier` calls it from a thread of its own, so it may
be slow, raise or hang. Names and steps are made in `driftseg.trackers.naming`, so they are the same
in all trackers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from driftseg.frame import Image
from driftseg.settings import Settings

State = Literal["finished", "failed", "interrupted"]
"""How a run ended."""
Kind = Literal["frames", "evaluations", "visits", "pictures", "final"]


@dataclass(frozen=True)
class Item:
    """What is logged at one step."""

    kind: Kind
    place: tuple[int, int]
    """The step, and a count from 0 of the items of this kind at this step. Both are the same
    again when a run is resumed."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Finite."""
    texts: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, Image] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Frames that the run had seen."""
        return self.place[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Of everything in it."""
        return (*self.numbers, *self.texts, *self.pictures)

    @property
    def picture_bytes(self) -> int:
        """Memory that its pictures take."""
        return sum(image.nbytes for image in self.pictures.values())


@dataclass(frozen=True)
class RunFacts:
    """The run that is tracked."""

    name: str
    folder: Path
    """Its folder now; a run folder gets another name when the run is complete."""
    out: Path
    """The folder of all runs."""
    config: Mapping[str, Any]
    """Resolved, as plain values."""
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Started:
    """A tracker's own run, begun or continued."""

    identity: str
    """Continues it; kept in the run folder."""
    where: str
    """Where a person finds it."""
    known: Mapping[str, int] = field(default_factory=dict)
    """Of a continued run: the last step of each name that the tracker holds already."""
    last_step: int | None = None
    """Of a continued run: the tracker holds nothing after this step, whatever it was sent before
    a process died. None where the tracker cannot say."""


class Tracker(Protocol):
    """One run in one tracker. All calls come from one thread, in this order."""

    def start(self, run: RunFacts, resumed: str | None) -> Started:
        """Begins a run, or continues the one of this identity."""
        ...

    def send(self, items: Sequence[Item]) -> None:
        """Logs items in order."""
        ...

    def end(self, state: State) -> None:
        """Closes the run; called once, also after an error."""
        ...


class TrackerSettings(Settings):
    """Base of every tracker's settings. A subclass holds the fields of its section.

    Your own tracker is such a subclass; a config names it by ``package.module:Class``.
    """

    requires: ClassVar[Mapping[str, str]] = {}
    """Modules that must be installed, and what installs each."""

    kind: str
    patience: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for which the end of a run waits at most, until everything is sent."""

    def make(self) -> Tracker:
        """The tracker; must not import its library yet."""
        raise NotImplementedError
