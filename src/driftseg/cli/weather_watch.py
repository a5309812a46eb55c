"""The progress and the summary of `driftseg weather`."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from driftseg.api.data import Outcome, Progress

TOLD = 20
"""Number of reasons on the screen. The record has all."""


class MakingWatch:
    """A progress bar with the time left. Without a terminal, a line per tenth of the images."""

    def __init__(self, console: Console):
        self._console = console
        self._started = time.monotonic()
        self._tenth = 0
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("images", total=None, speed="")

    def __enter__(self) -> MakingWatch:
        return self

    def start(self) -> None:
        """Shows the bar and starts the clock."""
        self._started = time.monotonic()
        self._bar.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Shows the progress."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        speed = progress.done / seconds
        self._bar.update(
            self._task,
            completed=progress.done,
            total=progress.total,
            speed=f"{speed:.1f} images/s",
        )
        tenth = 10 * progress.done // max(progress.total, 1)
        if not self._console.is_terminal and tenth > self._tenth:
            self._tenth = tenth
            left = timedelta(seconds=round((progress.total - progress.done) / max(speed, 1e-9)))
            self._console.print(
                f"{progress.done} of {progress.total} images  {speed:.1f} images/s  {left} left",
                highlight=False, soft_wrap=True,
            )  # fmt: skip


def tell(console: Console, outcome: Outcome) -> None:
    """Prints what was made and what was not."""
    lines = [f"{outcome.made} images made, {outcome.kept} exist already"]
    if outcome.gone:
        lines.append(
            f"{len(outcome.gone)} source images are gone, so their weather images are removed"
        )
    lines += [f"depth of {count}: {source}" for source, count in outcome.depths.items()]
    lines += [f"labels of {count}: {how}" for how, count in outcome.labels.items()]
    lines += [told for told in (outcome.unread, outcome.squeezed) if told]
    lines += [f"record: {outcome.record}", f"page with samples: {outcome.page}"]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if outcome.unreadable:
        told = [f"{len(outcome.unreadable)} images could not be used; the others are made:"]
        told += [f"  {reason}" for reason in [*outcome.unreadable.values()][:TOLD]]
        if len(outcome.unreadable) > TOLD:
            told.append(
                f"  and {len(outcome.unreadable) - TOLD} more, see unreadable in the record"
            )
        for line in told:
            console.print(line, soft_wrap=True, highlight=False, markup=False, style="red")
