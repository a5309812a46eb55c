"""Writes a run into its folder line by line; written lines survive any end of the run."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import yaml
from PIL import Image as PillowImage

from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.labels import Colour, LabelMapping
from driftseg.runs.lock import RunLock, one_at_a_time
from driftseg.runs.record import CALIBRATION, config_hash, plain
from driftseg.runs.status import Status
from driftseg.runs.whole import remove_halves, write_whole

LINES = ("frames", "evaluations")
"""The files that are written line by line."""
STATUS_EVERY = 1.0
"""Seconds between two updates of the status file while frames are recorded."""


def new_record(
    out: Path,
    serial: str,
    *,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    schedule: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    label_space: str,
    home: str,
    colours: Sequence[Colour] = (),
    scoring: LabelMapping | None = None,
    save: Collection[str] = (),
    claim: Callable[[], None] = lambda: None,
) -> RunWriter:
    """Makes a run's folder; a run never overwrites another.

    Args:
        out: folder of all runs; made if missing.
        serial: the run's name.
        config: resolved.
        environment: from `environment`.
        schedule: one row per visit: visit, domain, direction, weather, frames.
        classes: names in id order.
        label_space: its name.
        home: the domain that forgetting is measured on.
        colours: of the classes, that pictures are painted in.
        scoring: how predictions are told in that label space, where the model has another.
        save: what is kept of every frame.
        claim: called where no other process begins a run of this config; may raise.

    Raises:
        InputError: runs cannot be written there.
    """
    total = sum(int(visit["frames"]) for visit in schedule)
    status = Status("running", 0, total, save=tuple(save)).begun(0)
    lines = {
        "classes": list(classes),
        **({"colours": [list(colour) for colour in colours]} if colours else {}),
        "label_space": label_space,
        "home": home,
        "visits": list(schedule),
        **_predictions(scoring),
    }
    folder = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(out / f".begins_{config_hash(config)}"):
            claim()
            folder = _made(out, serial)
            lock = RunLock(folder)
            status.write(folder)  # first of all: a folder without one is a finished run of before
            text = yaml.safe_dump(dict(config), sort_keys=False)
            write_whole(folder / "config.yaml", text.encode())
        (folder / "pictures").mkdir()
        _write_json(folder / "schedule.json", lines)
        return RunWriter(folder, lock=lock, status=status, environment=environment)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"out: expected a folder where runs can be written, got {out} ({error.strerror}). To "
            "fix: set out to a folder that you may write to"
        ) from None


def continued_record(
    folder: Path,
    *,
    lock: RunLock,
    status: Status,
    environment: Mapping[str, Any],
    lengths: Mapping[str, int],
    frames: int,
) -> RunWriter:
    """Continues an interrupted run's folder.

    Args:
        folder: the run's.
        lock: on the run.
        status: current one.
        environment: for the record.
        lengths: bytes of each file of lines to keep; later lines are made again.
        frames: number of lines of frames to keep.

    Raises:
        InputError: the folder cannot be written to.
    """
    try:
        remove_halves(folder)
        (folder / "pictures").mkdir(exist_ok=True)
        return RunWriter(
            folder, lock=lock, status=replace(status, frames=frames).begun(frames),
            environment=environment, lengths=lengths,
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder that can be written to, got {error.strerror}. "
            "To fix: free disk space or change its permissions."
        ) from None


class RunWriter:
    """Writes one run; made by `new_record` or `continued_record`.

    Args:
        folder: the run's.
        lock: on the run; this object releases it.
        status: of the run in this process.
        environment: from `environment`.
        lengths: bytes of each file of lines to keep; None for a new run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lock: RunLock,
        status: Status,
        environment: Mapping[str, Any],
        lengths: Mapping[str, int] | None = None,
    ):
        self.folder = folder
        self.status = status
        self.facts: dict[str, Any] = {}
        """Facts on this process's work, for the status at its end."""
        self._lock = lock
        self._environment = dict(environment)
        self._told = time.monotonic()
        self._files: dict[str, BinaryIO] = {}
        kept = dict.fromkeys(LINES, 0) if lengths is None else lengths
        for name in LINES:
            self._files[name] = (folder / f"{name}.jsonl").open("ab")
            self._files[name].truncate(kept[name])
            self._files[name].seek(kept[name])
        self._write_environment(())
        status.write(folder)

    def frame(self, row: Mapping[str, Any]) -> None:
        """One line of frames.jsonl."""
        self._line("frames", row)
        self.status = replace(self.status, frames=self.status.frames + 1)
        if time.monotonic() - self._told >= STATUS_EVERY:
            self._told = time.monotonic()
            with _told(self.folder):
                self.status.write(self.folder, durable=False)

    def evaluation(self, row: Mapping[str, Any]) -> None:
        """One line of evaluations.jsonl."""
        self._line("evaluations", row)

    def calibration(self, found: Mapping[str, Any]) -> None:
        """The method's calibration on source frames before the stream."""
        with _told(self.folder):
            _write_json(self.folder / CALIBRATION, found)

    def picture(self, visit: int, domain: str, number: int, kind: str, image: Image) -> None:
        """One PNG: the input, the painted truth or the painted prediction."""
        name = f"{visit:02d}_{domain}_{number}_{kind}.png"
        file = io.BytesIO()
        PillowImage.fromarray(image).save(file, format="PNG", optimize=False)
        with _told(self.folder):
            write_whole(self.folder / "pictures" / name, file.getvalue())

    def _line(self, name: str, row: Mapping[str, Any]) -> None:
        line = json.dumps(plain(row), allow_nan=False) + "\n"
        with _told(self.folder):
            self._files[name].write(line.encode())
            self._files[name].flush()

    def settled(self) -> dict[str, int]:
        """Syncs all lines to the disk; returns the bytes of each file.

        Raises:
            InputError: they cannot be written.
        """
        found = {}
        with _told(self.folder):
            for name, file in self._files.items():
                file.flush()
                os.fsync(file.fileno())
                found[name] = file.tell()
        return found

    def note(self, notes: Sequence[str]) -> None:
        """Adds a note for the reader on how the run was continued."""
        self.status = replace(self.status, notes=(*self.status.notes, *notes))
        with _told(self.folder):
            self._write_environment(())
            self.status.write(self.folder)

    def finish(self, notes: Sequence[str] = ()) -> Path:
        """Closes all files and sets the status to finished; returns the folder."""
        self.settled()
        self._close()
        with _told(self.folder):
            self._write_environment(notes)
            self.status = self.status.ended("finished", None, self.facts)
            self.status.write(self.folder)
        self._lock.release(remove=True)
        return self.folder

    def interrupt(self, reason: str) -> None:
        """Closes all files and sets the status to interrupted; nothing is lost.

        If the status cannot be written, the released lock shows it.
        """
        self._close()
        self.status = self.status.ended("interrupted", reason, self.facts)
        with suppress(OSError):
            self.status.write(self.folder)
        self._lock.release()

    def discard(self) -> None:
        """Removes all files of the run."""
        self._close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()

    @property
    def empty(self) -> bool:
        """Whether the record is still empty."""
        return all(file.closed or file.tell() == 0 for file in self._files.values())

    def _close(self) -> None:
        for file in self._files.values():
            with suppress(OSError):  # lines that cannot be written; this error was reported already
                file.close()

    def _write_environment(self, notes: Sequence[str]) -> None:
        own = self._environment.get("notes", ())
        told = {**self._environment, "notes": [*own, *self.status.notes, *notes]}
        _write_json(self.folder / "environment.json", told)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Reports a failed write in one line."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{folder}: expected to write the run, got {error.strerror}. To fix: free disk "
            f"space, then continue with driftseg resume {folder}."
        ) from error


def _made(out: Path, serial: str) -> Path:
    """A folder of the run's own."""
    folder, number = out / serial, 2
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            folder, number = out / f"{serial}-{number}", number + 1
            continue
        return folder


def _predictions(scoring: LabelMapping | None) -> dict[str, Any]:
    """The model's classes and the class as which each is scored, if these differ."""
    if scoring is None:
        return {}
    return {
        "predictions": {
            "classes": scoring.source.classes,
            "label_space": scoring.source.name,
            "scored_as": scoring.table,
        }
    }


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(plain(value), indent=1, allow_nan=False)
    write_whole(path, (text + "\n").encode())
