"""Trackers for tests: one that remembers, and such as fail, sleep and hang."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, ClassVar, Literal

from driftseg.trackers.contract import Item, RunFacts, Started, Tracker, TrackerSettings

STARTED: list[Remembering] = []
"""All that were made, the newest last."""
RELEASE = threading.Event()
"""Lets hanging trackers go on."""


class Remembering:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.calls: list[str] = []
        self.resumed: str | None = None
        self.facts: RunFacts | None = None
        STARTED.append(self)

    def start(self, run: RunFacts, resumed: str | None) -> Started:
        self.calls.append("start")
        self.resumed, self.facts = resumed, run
        return Started(resumed or f"run-{id(self)}", "memory")

    def send(self, items: Any) -> None:
        self.calls.append("send")
        self.items += items

    def end(self, state: str) -> None:
        self.calls.append(f"end {state}")

    def series(self, name: str) -> list[tuple[int, float]]:
        return [(item.step, item.numbers[name]) for item in self.items if name in item.numbers]


class RememberingSettings(TrackerSettings):
    kind: Literal["fake_trackers:RememberingSettings"] = "fake_trackers:RememberingSettings"

    def make(self) -> Tracker:
        return Remembering()


class Odd(Remembering):
    def __init__(self, at: str, does: str, seconds: float) -> None:
        super().__init__()
        self._at, self._does, self._seconds = at, does, seconds

    def _act(self, where: str) -> None:
        if where != self._at:
            return
        if self._does == "raises":
            raise RuntimeError(f"no {where} at http://user:secret@host/x today")
        if self._does == "exits":
            raise SystemExit(3)
        if self._does == "sleeps":
            time.sleep(self._seconds)
        else:
            RELEASE.wait(600)

    def start(self, run: RunFacts, resumed: str | None) -> Started:
        self._act("start")
        return super().start(run, resumed)

    def send(self, items: Any) -> None:
        self._act("send")
        super().send(items)

    def end(self, state: str) -> None:
        self._act("end")
        super().end(state)


class OddSettings(TrackerSettings):
    kind: Literal["fake_trackers:OddSettings"] = "fake_trackers:OddSettings"
    at: Literal["make", "start", "send", "end"] = "send"
    does: Literal["raises", "exits", "sleeps", "hangs"] = "raises"
    seconds: float = 0.5

    def make(self) -> Tracker:
        if self.at == "make":
            raise RuntimeError("no make today")
        return Odd(self.at, self.does, self.seconds)


class MissingSettings(TrackerSettings):
    requires: ClassVar = {"no_such_library": "pip install 'driftseg[none]'"}

    kind: Literal["fake_trackers:MissingSettings"] = "fake_trackers:MissingSettings"

    def make(self) -> Tracker:
        raise AssertionError("must not be made")


def facts(folder: Path) -> RunFacts:
    config = {"name": "storm", "seed": 1, "method": {"name": "dacs", "train": ["head"]}}
    return RunFacts("a_run", folder, folder.parent, config, {"method": "dacs", "seed": "seed 1"})
