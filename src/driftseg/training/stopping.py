"""Signals that end a training after the step in progress."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Records the first SIGINT or SIGTERM. The second has its usual effect.

    Only the main thread receives signals; in other threads this does nothing.

    Args:
        tell: called once, at the first signal.
        patient: whether to ignore later signals, for torchrun, which repeats its signals and kills
            after 30 seconds.
    """

    def __init__(self, tell: Callable[[], None] | None = None, *, patient: bool = False):
        self.number = 0
        """Number of the received signal; 0 is none."""
        self._tell = tell
        self._patient = patient
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._note) for each in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._restore()

    def _restore(self) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number and not self._patient:
            self._restore()
            os.kill(os.getpid(), number)
            return
        first, self.number = not self.number, self.number or number
        if first and self._tell is not None:
            self._tell()
