"""The live table of a sweep, and the table of its results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from driftseg.api.sweeps import SweepGroup, SweepRun

LINE_EVERY = 30.0
"""Seconds between two lines about the whole sweep, without a terminal."""
ORDER = ("running", "failed", "stopped", "waiting", "finished")
"""Order of states in which runs are shown, if not all fit the terminal."""


class SweepTable:
    """A live table with one row per run. Without a terminal, one line per change of a state.

    Args:
        console: prints the table or the lines.
    """

    def __init__(self, console: Console):
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._states: dict[str, str] = {}
        self._told = time.monotonic()

    def __enter__(self) -> SweepTable:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._live is not None:
            self._live.stop()

    def __call__(self, rows: Sequence[SweepRun]) -> None:
        """Shows all runs."""
        if self._live is not None:
            self._live.update(self._table(rows))
            return
        for row in rows:
            if self._states.get(row.key, "waiting") != row.state:
                self._states[row.key] = row.state
                known = " before this command" if row.known else ""
                self._print(f"{row.state:<8}{known} {row.label}{_facts(row)}")
        if time.monotonic() - self._told >= LINE_EVERY:
            self._told = time.monotonic()
            self._print(_summary(rows))
            for row in rows:
                if row.state == "running":
                    self._print(f"         {row.label}{_facts(row)}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _table(self, rows: Sequence[SweepRun]) -> Table:
        table = Table(box=SIMPLE_HEAD, title=_summary(rows), title_justify="left", pad_edge=False)
        table.add_column("run", overflow="fold")
        for name in ("state", "frame", "mIoU", "time left"):
            table.add_column(name, justify="left" if name == "state" else "right")
        room = max(4, self._console.height - 7)
        shown = sorted(rows, key=lambda row: ORDER.index(row.state))[:room]
        for row in [row for row in rows if row in shown]:
            progress = row.progress
            table.add_row(
                row.label, row.state, f"{progress.frames}/{progress.total or '?'}",
                _percent(progress.mean_iou),
                _duration(progress.seconds_left) if row.state == "running" else "",
            )  # fmt: skip
        if len(shown) < len(rows):
            table.caption = f"{len(rows) - len(shown)} more runs are not shown"
        return table


def _facts(row: SweepRun) -> str:
    progress = row.progress
    if not progress.frames:
        return ""
    score = "" if progress.mean_iou is None else f", mIoU {_percent(progress.mean_iou)} %"
    left = _duration(progress.seconds_left) if row.state == "running" else ""
    told = f", {left} left" if left else ""
    return f": frame {progress.frames}/{progress.total or '?'}{score}{told}"


def _summary(rows: Sequence[SweepRun]) -> str:
    from driftseg.api.sweeps import seconds_left

    states = [row.state for row in rows]
    told = ", ".join(f"{states.count(state)} {state}" for state in ORDER if state in states)
    running = max(1, states.count("running"))
    left = seconds_left(rows, running)
    return f"{told}; about {_duration(left)} left" if left is not None else told


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes}:{rest:02d} min"


def outcome_table(lines: Sequence[SweepGroup]) -> Table:
    """The table of groups, with means and deviations over seeds."""
    from driftseg.api.sweeps import TOLD

    several = len({line.world for line in lines}) > 1
    table = Table(box=SIMPLE_HEAD, title="mIoU in percent, mean ± standard deviation over seeds",
                  title_justify="left", pad_edge=False)  # fmt: skip
    if several:
        table.add_column("world")
    table.add_column("method")
    for heading in TOLD.values():
        table.add_column(heading, justify="right")
    table.add_column("seeds", justify="right")
    for line in lines:
        cells = [line.label, *(str(line.numbers[key]) for key in TOLD), line.seeds]
        table.add_row(*([line.world, *cells] if several else cells))
    return table
