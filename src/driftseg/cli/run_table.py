"""A table of runs that fits the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from driftseg.api.finding import FoundRun

USUAL = (
    "over_all_visits", "stream_over_all_visits", "forgotten", "frames_per_second", "tag", "note",
)  # fmt: skip
"""Columns after the run and its state, the most important first; as many as fit are shown."""
INSTEAD = ("hash", "method", "seed")
"""What stands for the folder's name where that would fill the line; ``FOLDER/*_HASH`` names it."""
ROOM = 30
"""Letters that must be left for numbers beside the folder's name."""
LINE = 14
"""Letters of one line of a column's name."""
LONGEST = 40
"""Letters of a cell; a longer note is cut."""


def run_table(
    runs: Sequence[FoundRun], width: int, asked: Sequence[str] = (), also: Sequence[str] = ()
) -> Table:
    """Runs as rows.

    Args:
        runs: at least one.
        width: of the terminal, in letters.
        asked: columns to show, whatever the width; none is the usual ones that fit.
        also: columns to show before the usual ones.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    names = list(asked) or _fitting(runs, width, also)
    for name in names:
        right = all(isinstance(run.value(name), int | float | None) for run in runs)
        table.add_column(
            Text(_header(name)),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=not asked,
        )
    for run in runs:
        style = None if run.state == "finished" else "red" if run.problem else "yellow"
        table.add_row(*(Text(_cell(run, name)) for name in names), style=style)
    return table


def _fitting(runs: Sequence[FoundRun], width: int, also: Sequence[str]) -> list[str]:
    """What names the run, and after it as many columns as the terminal has room for."""
    longest = max(len(run.run) for run in runs)
    wanted = ["run"] if longest + ROOM <= width else [*INSTEAD]
    if any(run.state != "finished" for run in runs):
        wanted += ["state", "frames"]
    wanted += [name for name in dict.fromkeys((*also, *USUAL)) if name not in wanted]
    names: list[str] = []
    left = width + 3  # the last column needs no space after it
    for name in wanted:
        cells = [_cell(run, name) for run in runs]
        needs = max(map(len, [*cells, *_header(name).splitlines()])) + 3
        if names and (needs > left or not (any(cells) or name in also)):
            continue
        names.append(name)
        left -= needs
    return names


def _header(name: str) -> str:
    """The column's name, as --sort takes it, broken at its underscores and dots."""
    lines = [""]
    for part in name.replace("_", "_\0").replace(".", ".\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _cell(run: FoundRun, name: str) -> str:
    value: Any = run.value(name)
    if value is None or value == ():
        return ""
    if name == "frames" and run.total is not None and run.total != run.frames:
        return f"{run.frames}/{run.total}"
    if isinstance(value, float):
        return f"{value:.1f}" if name in run.numbers else f"{value:g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    text = str(value)
    if name == "note" and len(text) > LONGEST:
        return f"{text[: LONGEST - 1]}…"
    return text
