"""Ctrl-C and SIGTERM: the first one lets the frame in progress end, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

Tell = Callable[[str], None]
"""Takes a line that a person should read."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The run is to end here; raised between two frames alone."""


class RunInterrupted(KeyboardInterrupt):
    """A run ended before its end because somebody asked for it; nothing recorded is lost."""

    folder: Path
    """The run's."""
    frames: int
    """Frames recorded."""
    total: int
    """Frames of the stream."""
    number: int
    """Of the signal."""

    def __init__(self, folder: Path, *, frames: int, total: int, number: int):
        self.folder, self.frames, self.total, self.number = folder, frames, total, number
        super().__init__(
            f"{folder}: interrupted after {frames} of {total} frames; continue with "
            f"driftseg resume {folder}"
        )


class Interruption:
    """While it is entered, signals ask for an end in place of making one.

    Outside of the main thread Python hands no signals out; there it does nothing.
    """

    def __init__(self, tell: Tell):
        self._tell = tell
        self._before: dict[int, Any] = {}
        self.number: int | None = None
        """The signal that asked for an end."""

    def check(self) -> None:
        """Raises Stopped where an end was asked for."""
        if self.number is not None:
            raise Stopped

    def __enter__(self) -> Interruption:
        """Takes the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Gives them back."""
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
