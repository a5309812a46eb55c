"""A table of runs that fits the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from driftseg.api.finding import FoundRun

USUAL = (
    "over_all_visits", "stream_over_all_visits", "forgotten", "frames_per_second", "tag", "note",
)  # fmt: skip
"""Columns after the run and its state, the most important first. Those that fit are shown."""
INSTEAD = ("hash", "method", "seed")
"""Columns in place of a folder name that is too long; ``FOLDER/*_HASH`` finds the folder."""
ROOM = 30
"""Smallest width for numbers beside the folder's name, in characters."""
GAP = "   "
LINE = 14
"""Characters in one line of a column header."""
LONGEST = 40
"""Largest number of characters in a cell; a longer note is cut."""


def run_table(
    runs: Sequence[FoundRun], width: int, asked: Sequence[str] = (), also: Sequence[str] = ()
) -> Iterator[Text]:
    """Formats runs as lines, thousands in little time. Names stay whole, so they can be copied.

    Args:
        runs: at least one.
        width: of the terminal, in characters.
        asked: columns to show at any width; if empty, the usual ones that fit.
        also: columns to show before the usual ones.
    """
    names = list(asked) or _fitting(runs, width, also)
    headers = [_header(name).splitlines() for name in names]
    columns = [[_cell(run, name) for run in runs] for name in names]
    widths = [max(map(len, (*h, *c))) for h, c in zip(headers, columns, strict=True)]
    right = [all(isinstance(run.value(n), int | float | None) for run in runs) for n in names]

    def line(cells: Sequence[str]) -> str:
        placed = zip(cells, widths, right, strict=True)
        return GAP.join(f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in placed).rstrip()

    height = max(map(len, headers))
    filled = [[""] * (height - len(header)) + header for header in headers]
    for cells in zip(*filled, strict=True):
        yield Text(line(cells), style="bold")
    yield Text("─" * min(sum(widths) + len(GAP) * (len(widths) - 1), width))
    for run, cells in zip(runs, zip(*columns, strict=True), strict=True):
        style = "" if run.state == "finished" else "red" if run.problem else "yellow"
        yield Text(line(cells), style=style)


def too_long(runs: Sequence[FoundRun], width: int) -> bool:
    """Whether the folders' names leave no room for numbers."""
    return max(len(run.run) for run in runs) + ROOM > width


def _fitting(runs: Sequence[FoundRun], width: int, also: Sequence[str]) -> list[str]:
    """The columns that name a run, then the others that fit the terminal."""
    wanted = [*INSTEAD] if too_long(runs, width) else ["run"]
    if any(run.state != "finished" for run in runs):
        wanted += ["state", "frames"]
    wanted += [name for name in dict.fromkeys((*also, *USUAL)) if name not in wanted]
    names: list[str] = []
    left = width + len(GAP)  # the last column needs no space after it
    for name in wanted:
        cells = [_cell(run, name) for run in runs]
        needs = max(map(len, [*cells, *_header(name).splitlines()])) + len(GAP)
        if names and (needs > left or not (any(cells) or name in also)):
            continue
        names.append(name)
        left -= needs
    return names


def _header(name: str) -> str:
    """The column's name for --sort, broken at underscores and dots."""
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
