"""The interface of trackers.

`driftseg.trackers.courier` calls a tracker from its own thread, so it may be slow, raise or hang.
`driftseg.trackers.naming` makes names and steps, so they are the same in all trackers.
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
    """Values of one kind at one step."""

    kind: Kind
    place: tuple[int, int]
    """The step, and a count from 0 of the items of this kind at this step. A resumed run gives
    the same places."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Finite numbers."""
    texts: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, Image] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Number of frames that the run had seen."""
        return self.place[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all its values."""
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
    """Its current folder; a run folder is renamed when the run is complete."""
    out: Path
    """The folder of all runs."""
    config: Mapping[str, Any]
    """Resolved, as plain values."""
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Started:
    """A tracker's own run, new or continued."""

    identity: str
    """The id that continues it; stored in the run folder."""
    where: str
    """Where a user finds it."""
    known: Mapping[str, int] = field(default_factory=dict)
    """Of a continued run: the last step of each name that the tracker already has."""
    last_step: int | None = None
    """Of a continued run: the last step that the tracker has, even if more was sent before a
    process died. None if the tracker does not know it."""


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
    """Modules that must be installed, and how to install each."""

    kind: str
    patience: Annotated[float, Field(gt=0)] = 60.0
    """Largest number of seconds that the end of a run waits until everything is sent."""

    def make(self) -> Tracker:
        """Makes the tracker, without an import of its library."""
        raise NotImplementedError
