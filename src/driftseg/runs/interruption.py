"""Ctrl-C and SIGTERM: after the first the current frame is finished; the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

Tell = Callable[[str], None]
"""A function that gets a message for a person."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """Ends the run; raised only between two frames."""


class RunInterrupted(KeyboardInterrupt):
    """A run was interrupted by a signal; all records are kept."""

    folder: Path
    """Folder of the run."""
    frames: int
    """Number of recorded frames."""
    total: int
    """Number of frames of the stream."""
    number: int
    """Number of the signal."""

    def __init__(self, folder: Path, *, frames: int, total: int, number: int):
        self.folder, self.frames, self.total, self.number = folder, frames, total, number
        super().__init__(
            f"{folder}: interrupted after {frames} of {total} frames; continue with "
            f"driftseg resume {folder}"
        )


class Interruption:
    """Inside this context, signals request an end instead of ending the process.

    Python delivers signals only to the main thread; in other threads this does nothing.
    """

    def __init__(self, tell: Tell):
        self._tell = tell
        self._before: dict[int, Any] = {}
        self.number: int | None = None
        """The received signal."""

    def check(self) -> None:
        """Raises Stopped if an end was requested."""
        if self.number is not None:
            raise Stopped

    def __enter__(self) -> Interruption:
        """Installs the signal handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Restores the previous signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
            self._tell("the run ends after this frame; interrupt again to end it at once")
            return
        signal.signal(number, signal.SIG_DFL)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)
