"""Progress while many runs are read."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

MANY = 50
"""Smallest number of runs that shows a bar."""


class ReadingRuns:
    """A progress bar on stderr, if that is a terminal and there are many runs."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("reading runs"), BarColumn(bar_width=24), MofNCompleteColumn(),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal,
            transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None, visible=False)
        self._begun = False

    def __enter__(self) -> ReadingRuns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._begun:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Shows the number of runs read so far."""
        if total < MANY:
            return
        if not self._begun:
            self._bar.start()
            self._begun = True
        self._bar.update(self._task, completed=done, total=total, visible=True)
