"""Saves results of a drive in a separate thread, so frames do not wait for the disk."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import numpy as np

from driftseg.errors import InputError, commas
from driftseg.labels import Colour
from driftseg.saving.pictures import jpg, label_png, overlay
from driftseg.saving.shots import Shot, at_full_size, class_shares
from driftseg.saving.video import VideoWriter

Kind = Literal["labels", "overlays", "video", "probabilities"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BEHIND = 16
"""Largest number of frames that wait to be written; beyond it, processing waits. No frame is
lost."""


def check_kinds(kinds: Collection[str]) -> None:
    """Raises InputError for an unknown kind of result."""
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise InputError(
            f"save: expected some of {commas(KINDS)}, got {unknown[0]!r}. To fix: take one of "
            "these names"
        )


class Saver:
    """Writes frames in a thread.

    Args:
        out: a folder, new or empty.
        kinds: of results to keep; ``frames.jsonl`` is always kept.
        classes: names in id order.
        colours: of the classes.
        frames_per_second: of the video.
        title: of the drive.
        facts: kept in ``drive.json``.
        lines: bytes of ``frames.jsonl`` to keep when an interrupted folder is continued; None needs
            a new folder.

    Raises:
        InputError: an unknown kind, a folder with files, or a folder that cannot be written to.
    """

    def __init__(
        self,
        out: Path,
        kinds: Collection[str],
        *,
        classes: Sequence[str],
        colours: Sequence[Colour],
        frames_per_second: float = 25.0,
        title: str = "",
        facts: Mapping[str, Any] | None = None,
        lines: int | None = None,
    ):
        check_kinds(kinds)
        self.out = out
        self.saved: Counter[str] = Counter()
        """Number of files, frames or lines written, by kind."""
        self._classes, self._colours = tuple(classes), tuple(colours)
        if lines is None:
            self._open(kinds, dict(facts or {}))
        else:
            self._go_on(lines)
        self.video = _next_video(out)
        """Path of a video; a video cannot be lengthened, so each part has its own file."""
        self._video = None
        if "video" in kinds:
            self._video = VideoWriter(
                self.video, classes=classes, colours=colours,
                frames_per_second=frames_per_second, title=title,
            )  # fmt: skip
        self._kinds = [kind for kind in KINDS if kind in kinds]
        self._error: BaseException | None = None
        self._queue: queue.Queue[Shot | None] = queue.Queue(maxsize=BEHIND)
        self._thread = threading.Thread(target=self._write_all, name="driftseg-saver", daemon=True)
        self._thread.start()

    def _open(self, kinds: Collection[str], facts: dict[str, Any]) -> None:
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise InputError(
                f"{self.out}: expected a new or empty folder, got one with files. To fix: name "
                "a new folder by out"
            )
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            for kind in kinds:
                if kind != "video":
                    (self.out / kind).mkdir()
            told = {**facts, "classes": list(self._classes), "colours": list(self._colours)}
            (self.out / "drive.json").write_text(json.dumps(told, indent=1) + "\n")
            self._lines: TextIO = (self.out / "frames.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.out}: expected a folder that can be written to, got an error "
                f"({error.strerror}). To fix: name another folder by out"
            ) from None

    def _go_on(self, lines: int) -> None:
        """Continues a folder; results after those lines are written again."""
        try:
            path = self.out / "frames.jsonl"
            os.truncate(path, lines)
            self._lines = path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self.out}: expected a folder that can be written to, got an error "
            f"({error.strerror}). To fix: make room, or change the folder's permissions"
        )

    def settled(self) -> int:
        """Waits until all frames are written, syncs their lines to disk and returns their bytes.

        Raises:
            InputError: something could not be written; what was written stays.
        """
        self._queue.join()
        self._check()
        try:
            self._lines.flush()
            os.fsync(self._lines.fileno())
            return (self.out / "frames.jsonl").stat().st_size
        except OSError as error:
            raise self._unwritable(error) from None

    def put(self, shot: Shot) -> None:
        """Takes one frame.

        Raises:
            InputError: an earlier frame could not be written; what was written stays.
        """
        self._check()
        self._queue.put(shot)

    def close(self) -> Counter[str]:
        """Waits until everything is written; returns numbers by kind.

        Raises:
            InputError: something could not be written; what was written stays.
        """
        self.abandon()
        self._check()
        return self.saved

    def abandon(self) -> None:
        """Ends the thread after any error; another error was reported already."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _check(self) -> None:
        if self._error is None:
            return
        error, told = self._error, self.told()
        if isinstance(error, InputError):
            raise error
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"{self.out}: expected a place with room for the results, got an error ({reason}); "
            f"kept: {told}. To fix: make room, or name another folder by out"
        ) from error

    def told(self) -> str:
        """What was written, in words."""
        parts = [f"{count} {kind}" for kind, count in self.saved.items()]
        return ", ".join(parts) or "nothing"

    def _write_all(self) -> None:
        try:
            while (shot := self._queue.get()) is not None:
                self._write(shot)
                self._queue.task_done()
        except BaseException as error:
            self._error = error
            self._queue.task_done()
            while self._queue.get() is not None:  # callers of put must not wait forever
                self._queue.task_done()
        finally:
            self._end()

    def _end(self) -> None:
        for close in (self._lines.close, self._video.close if self._video else lambda: None):
            try:
                close()
            except BaseException as error:
                self._error = self._error or error

    def _write(self, shot: Shot) -> None:
        shot = at_full_size(shot)
        for kind in self._kinds:
            self._writers()[kind](shot)
            self.saved[kind] += 1
        line = {
            "frame": shot.index, "name": shot.name, **shot.facts,
            "class_shares": class_shares(shot.label, self._classes),
        }  # fmt: skip
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        self.saved["lines"] += 1

    def _writers(self) -> Mapping[str, Callable[[Shot], None]]:
        return {
            "labels": lambda shot: self._file(
                "labels", f"{shot.name}.png", label_png(shot.label, self._colours)
            ),
            "overlays": lambda shot: self._file(
                "overlays", f"{shot.name}.jpg", jpg(overlay(shot.image, shot.label, self._colours))
            ),
            "probabilities": self._probabilities,
            "video": lambda shot: self._video.add(shot) if self._video else None,
        }

    def _probabilities(self, shot: Shot) -> None:
        assert shot.probabilities is not None, "whoever saves probabilities gives them"
        path = self.out / "probabilities" / f"{shot.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".partial")
        with half.open("wb") as file:
            np.save(file, shot.probabilities())
        half.replace(path)

    def _file(self, kind: str, name: str, data: bytes) -> None:
        """Writes a file completely or not at all."""
        path = self.out / kind / name
        half = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(data)
            half.replace(path)
        except OSError:
            half.unlink(missing_ok=True)
            raise


def _next_video(out: Path) -> Path:
    """``drive.mp4``, or if it exists, ``drive-2.mp4`` and so on."""
    path, number = out / "drive.mp4", 2
    while path.exists():
        path, number = out / f"drive-{number}.mp4", number + 1
    return path
