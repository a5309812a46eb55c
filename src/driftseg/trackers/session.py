"""The trackers of one run: they start with it, get its record and end with it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from driftseg.frame import Image
from driftseg.trackers.contract import Item, RunFacts, State, TrackerSettings
from driftseg.trackers.courier import Courier, log, told
from driftseg.trackers.naming import Namer

FILE = "trackers.json"
"""In the run folder: the run's name, and the values that continue each tracker's run."""


HASTE = 10.0
"""Largest number of seconds that a stopped or failed run waits for its trackers."""


class Trackers:
    """All trackers of a run. No method raises. Only `end` waits, for a limited time.

    Args:
        folder: the run folder.
        name: the run's name.
        namer: makes items; it has read the existing record.
    """

    def __init__(self, folder: Path, name: str, namer: Namer):
        self._folder, self._name, self._namer = folder, name, namer
        self._couriers: list[Courier] = []
        self._patience = 0.0
        self._lock = threading.Lock()
        self._ended = False
        self._error: str | None = None

    def _begin(
        self,
        settings: Sequence[TrackerSettings],
        run: RunFacts,
        stored: Sequence[Mapping[str, Any]],
        backlog: Sequence[Item],
    ) -> None:
        left = list(stored)
        with self._lock:  # no courier stores its state before all exist
            for each in settings:
                mine = next((entry for entry in left if entry.get("kind") == each.kind), None)
                if mine is not None:
                    left.remove(mine)
                self._patience = max(self._patience, each.patience)
                self._couriers.append(
                    Courier(
                        each.kind, each.make, run, backlog=backlog, stored=mine, keep=self._keep
                    )
                )  # fmt: skip

    def frame(self, row: Mapping[str, Any]) -> None:
        """Sends one line of frames.jsonl."""
        self._put(lambda: self._namer.frame(row))

    def evaluation(self, row: Mapping[str, Any]) -> None:
        """Sends one line of evaluations.jsonl."""
        self._put(lambda: self._namer.evaluation(row))

    def pictures(self, domain: str, kinds: Mapping[str, Image]) -> None:
        """Sends input, truth and prediction of the last frame, under these names."""
        self._put(lambda: self._namer.pictures(domain, kinds))

    def end(self, state: State) -> list[str]:
        """Ends all trackers' runs and waits for them; returns notes for the record.

        A second call does nothing.
        """
        if self._ended:
            return []
        self._ended = True
        if state == "finished":
            self._put(self._namer.final)
        for courier in self._couriers:
            courier.close(state)
        patience = self._patience if state == "finished" else min(self._patience, HASTE)
        until = time.monotonic() + patience
        for courier in self._couriers:
            courier.end(until)
        try:
            self._keep()
        except OSError as error:
            log.warning("trackers: %s cannot be written (%s)", FILE, told(error))
        notes = [note for courier in self._couriers if (note := courier.note())]
        return notes + ([f"trackers: {self._error}"] if self._error else [])

    def _put(self, items: Any) -> None:
        if self._error is not None or not self._couriers:
            return
        try:
            for item in items():
                for courier in self._couriers:
                    courier.put(item)
        except Exception as error:  # must not stop the run
            self._error = f"nothing is sent from here on ({told(error)})"
            log.warning("trackers: %s. The run goes on.", self._error)

    def _keep(self) -> None:
        if not self._couriers:
            return
        with self._lock:
            told_now = {
                "name": self._name,
                "trackers": [courier.state() for courier in self._couriers],
            }
            half = self._folder / f".{FILE}.partial"
            half.write_text(json.dumps(told_now, indent=1) + "\n", encoding="utf-8")
            os.replace(half, self._folder / FILE)


def start_trackers(
    settings: Sequence[TrackerSettings],
    folder: Path,
    *,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Trackers:
    """Starts trackers for a run folder, or continues those that an earlier session started.

    The folder must hold ``config.yaml`` and ``schedule.json``, and the lines of the run so far in
    ``frames.jsonl`` and ``evaluations.jsonl``. A resumed run first cuts these two to its
    checkpoint. Trackers get the lines that they do not have yet.

    Args:
        settings: the config's ``trackers``.
        folder: the run folder.
        name: the run's name; None takes that of the last session, or the folder's.
        tags: of the run in all trackers.
    """
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    schedule = json.loads((folder / "schedule.json").read_text(encoding="utf-8"))
    before = _before(folder / FILE)
    name = name or before.get("name") or folder.name
    namer = Namer(schedule["visits"], schedule["home"], len(schedule["classes"]))
    facts = RunFacts(name, folder.absolute(), folder.absolute().parent, config, dict(tags or {}))
    trackers = Trackers(folder, name, namer)
    if settings:
        trackers._begin(settings, facts, before.get("trackers", []), [*_backlog(folder, namer)])
    return trackers


def _before(path: Path) -> dict[str, Any]:
    """The file of the last session; empty if there is none or it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        trackers = [entry for entry in found["trackers"] if isinstance(entry.get("id"), str)]
        return {"name": str(found["name"]), "trackers": trackers}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _backlog(folder: Path, namer: Namer) -> Iterator[Item]:
    """Items of the record so far, in the order in which a run writes it."""
    scores = [*_rows(folder / "evaluations.jsonl")]
    done = 0
    for row in _rows(folder / "frames.jsonl"):
        while done < len(scores) and scores[done]["after_visit"] < row["visit"]:
            yield from namer.evaluation(scores[done])
            done += 1
        yield from namer.frame(row)
    for row in scores[done:]:
        yield from namer.evaluation(row)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Complete lines; a killed process may leave an incomplete last line."""
    lines: Iterable[str] = ()
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    yield from (json.loads(line) for line in lines if line.endswith("\n"))
