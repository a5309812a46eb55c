"""The driver of a sweep: submits runs to Ray, watches their folders and keeps their states."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.lock import RunLock
from driftseg.sweeps.engine import Engine, Lost
from driftseg.sweeps.places import Place, last_lines, read_json, write_json
from driftseg.sweeps.progress import RunProgress
from driftseg.sweeps.settings import EngineSettings
from driftseg.sweeps.stopping import StopRule
from driftseg.sweeps.task import Ended, Job

State = Literal["waiting", "running", "finished", "failed", "stopped"]
LOOK = 0.5
"""Seconds between two checks of the runs."""


@dataclass
class SweepRun:
    """One run of a sweep or of a tuning."""

    key: str
    """Method, seed and a digest of the config."""
    label: str
    """The varied values as a short text."""
    config: RunConfig
    values: dict[str, Any]
    """The config as plain values."""
    state: State
    """``waiting``, ``running``, ``finished``, ``failed`` or ``stopped``."""
    progress: RunProgress
    """Frames, running mIoU and the time left."""
    reason: str = ""
    """Why it failed or was stopped."""
    known: bool = False
    """Whether it was finished before this command."""

    @property
    def folder(self) -> Path | None:
        """Folder of its record; None before the run has started."""
        return self.progress.folder


Show = Callable[[Sequence[SweepRun]], None]
Tell = Callable[[str], None]


class Driver:
    """Runs a sweep through Ray. As a context manager, it locks the sweep's folder.

    Args:
        folder: of the sweep.
        settings: for the execution of runs.
        address: of an existing cluster.
        stop: the rule that stops hopeless runs.
        show: called with all rows whenever they may have changed.
        tell: called with messages to the user.

    Raises:
        InputError: the folder cannot be written to, another process uses it, Ray is missing, or no
            cluster is at the address.
    """

    def __init__(
        self,
        folder: Path,
        settings: EngineSettings,
        *,
        address: str | None,
        stop: StopRule | None,
        show: Show,
        tell: Tell,
    ):
        self.place = Place(folder.absolute())
        self._settings, self._stop, self._show, self._tell = settings, stop, show, tell
        self._engine = Engine(address, folder=self.place.folder, sync=settings.sync)
        if settings.sync and address is not None and address.startswith("ray://"):
            raise InputError(
                f"--address {address}: expected HOST:PORT with sync: true, got a Ray client. To "
                "fix: give the command on a node of the cluster, with --address auto"
            )
        self.cluster = address is not None
        """Whether runs go to a cluster that others may use, too."""
        self.rows: dict[str, SweepRun] = {}
        self._stopped: dict[str, str] = {}
        self._lock: RunLock | None = None
        self._started = False

    def __enter__(self) -> Driver:
        """Makes and locks the folder."""
        try:
            self.place.make()
        except OSError as error:
            raise InputError(
                f"{self.place.folder}: expected a folder that can be written to, got "
                f"{error.strerror}. To fix: name another folder with --out"
            ) from None
        try:
            self._lock = RunLock(self.place.folder)
        except InputError:
            raise InputError(
                f"{self.place.folder}: expected a sweep that no process works on, got one in "
                "progress. To fix: wait until it ends, or end that process"
            ) from None
        self._stopped = dict(read_json(self.place.stopped)) if self._stop else {}
        return self

    def __exit__(self, *error: Any) -> None:
        """Ends runs in progress; they can be continued."""
        try:
            if self._started:
                self._engine.__exit__(None, None, None)
        finally:
            if self._lock is not None:
                self._lock.release(remove=True)

    def add(self, key: str, label: str, config: RunConfig) -> SweepRun:
        """Adds a run; a finished one is not repeated."""
        values = config.model_dump(mode="json")
        progress = RunProgress(self.place.runs, values)
        progress.look()
        row = SweepRun(key, label, config, values, "waiting", progress)
        self.rows[key] = row
        if progress.state == "finished":
            row.state, row.known = "finished", True
            if self._stop is not None:
                self._stop.finished(key, config, progress.at_visits)
        elif key in self._stopped:
            row.state, row.reason, row.known = "stopped", self._stopped[key], True
        return row

    def submit(self, row: SweepRun) -> None:
        """Submits a waiting run to Ray; the first one starts Ray.

        Raises:
            InputError: no node can take it, no cluster answers, or the run needs a GPU that its
                resources do not name.
        """
        if row.config.device != "cpu" and not self._settings.resources.gpus:
            raise InputError(
                f"{row.label}: expected resources.gpus for device {row.config.device}, got 0. To "
                "fix: add resources: {gpus: 1}"
            )
        if not self._started:
            self._engine.__enter__()
            self._started = True
        asked, threads = self._settings.resources, row.config.threads or self._settings.threads
        wanted: dict[str, Any] = {
            "cpus": asked.cpus or threads, "gpus": asked.gpus, "memory": asked.memory,
        }  # fmt: skip
        self._check_room(row, wanted)
        for path in (self.place.started(row.key), self.place.errors(row.key)):
            path.unlink(missing_ok=True)
        job = Job(
            row.key, row.values, str(self.place.folder), os.getcwd(), threads,
            self._settings.sync_every,
        )  # fmt: skip
        self._engine.start(job, retries=self._settings.retries, **wanted)

    def _check_room(self, row: SweepRun, wanted: Mapping[str, Any]) -> None:
        lacking = self._engine.lacking(**wanted)
        if lacking is None:
            return
        if not self.cluster:
            raise InputError(f"{lacking}. To fix: lower resources or threads")
        self._tell(f"{lacking}; the run waits until the cluster has one")

    def step(self) -> list[SweepRun]:
        """Waits briefly, checks all runs, and returns those that have just ended."""
        ended = [self._end(self.rows[key], how) for key, how in self._engine.ended(LOOK)]
        for row in self.rows.values():
            if row.state in ("waiting", "running"):
                self._look(row)
        self._show([*self.rows.values()])
        return ended

    @property
    def open(self) -> int:
        """Number of waiting and running runs."""
        return sum(row.state in ("waiting", "running") for row in self.rows.values())

    def slots(self) -> int:
        """Number of runs that the cluster takes at a time; 1 before it is started."""
        if not self._started:
            return 1
        asked = self._settings.resources
        return self._engine.slots(asked.cpus or self._settings.threads)

    def _look(self, row: SweepRun) -> None:
        if row.state == "waiting":
            if not self.place.started(row.key).is_file():
                return
            row.state = "running"
            row.progress.moved()
        parts = row.progress.parts
        row.progress.look()
        if row.progress.parts > parts > 0:
            row.progress.moved()
            self._tell(f"{row.label}: continued after frame {row.progress.frames}")
        if self._stop is None or row.reason or row.progress.state == "finished":
            return
        verdict = self._stop.verdict(row.key, row.config, row.progress.at_visits)
        if verdict is not None:
            row.reason = verdict
            self._stopped[row.key] = verdict
            write_json(self.place.stopped, self._stopped)
            self._engine.stop(row.key)

    def _end(self, row: SweepRun, how: Ended | Lost) -> SweepRun:
        row.progress.look()
        if isinstance(how, Ended) and how.code == 0 and row.progress.folder is not None:
            row.state, row.reason = "finished", ""
            if self._stopped.pop(row.key, None) is not None:  # it ended before the stop
                write_json(self.place.stopped, self._stopped)
            if self._stop is not None:
                self._stop.finished(row.key, row.config, row.progress.at_visits)
        elif row.reason:
            row.state = "stopped"
        else:
            row.state = "failed"
            row.reason = _reason(self.place, row.key, how)
        return row


def _reason(place: Place, key: str, how: Ended | Lost) -> str:
    if isinstance(how, Ended):
        told = how.errors or f"the run's process ended with code {how.code}"
        return told if how.code else f"the run's folder is missing\n{told}"
    errors = last_lines(place.errors(key))
    return f"{how}\n{errors}" if errors and errors not in str(how) else str(how)


def drive(driver: Driver) -> None:
    """Executes all added runs; returns when none is open.

    On this machine Ray gets a few runs at a time, so they run in order. A cluster gets all runs at
    once, so that it can scale up.
    """
    waiting = [row for row in driver.rows.values() if row.state == "waiting"]
    given = 0
    while driver.open:
        while waiting and (not given or driver.cluster or given <= driver.slots()):
            driver.submit(waiting.pop(0))
            given += 1
        given -= len(driver.step())


def seconds_left(rows: Sequence[SweepRun], slots: int) -> float | None:
    """Estimated seconds until a sweep ends, from its running runs; None without an estimate."""
    paces = [left for row in rows if (left := row.progress.seconds_left) is not None
             and row.state == "running"]  # fmt: skip
    waiting = sum(row.state == "waiting" for row in rows)
    if not paces:
        return None
    whole = [
        left * row.progress.total / max(1, row.progress.total - row.progress.frames)
        for row in rows
        if row.state == "running" and (left := row.progress.seconds_left) is not None
    ]
    rest = sum(paces) + waiting * sum(whole) / len(whole)
    return max(max(paces), rest / slots)
