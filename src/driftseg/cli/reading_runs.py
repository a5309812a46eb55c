"""Progress while many runs are read."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

MANY = 50
"""Runs; fewer are read in a moment, and no bar is shown."""


class ReadingRuns:
    """A bar on stderr, where that is a terminal and there is much to read."""

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
        """Shows how many are read."""
        if total < MANY:
            return
        if not self._begun:
            self._bar.start()
            self._begun = True
        self._bar.update(self._task, completed=done, total=total, visible=True)
