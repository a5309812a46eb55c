"""driftseg compare: means over seeds and paired differences of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftseg.cli.options import RunsAndFilters
from driftseg.cli.reading_runs import ReadingRuns

if TYPE_CHECKING:
    from driftseg.api.finding import FoundRun

GAP = 2
"""Characters between columns."""
LEAST, VERDICT = 12, 13
"""Smallest width of a group's name and largest width of a verdict, in a narrow terminal."""


def compare(
    runs: RunsAndFilters,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="setting that makes the groups, like method; repeatable (default: all settings "
            "that differ, except the seed)"
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="method or group to compare with (default: source_only)")
    ] = None,
    number: Annotated[
        list[str] | None,
        typer.Option(
            help="number to compare, like forgotten; repeatable (default: the usual ones)"
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="file to write: .csv, .md, .tex, .svg, .png or .pdf; repeatable"),
    ] = None,
) -> None:
    """Compare runs: means over seeds, paired differences, 95 % intervals.

    It says which differences are significant. All runs must have the same stream.
    """
    from driftseg.api import comparing

    places, filters = split_words(runs)
    for path in out or ():
        comparing.check_ending(path)
    with ReadingRuns() as told:
        gathered = comparing.gather(places, filters, told=told)
    found = comparing.compare_gathered(
        gathered, by=by or (), against=against, numbers=number or (), out=out or ()
    )
    console = Console()
    console.print(_table(comparing.means_table(found), console.width))
    for name in found.tested:
        title = comparing.differences_title(found, name)
        console.print()
        console.print(_table(comparing.differences_table(found, name), console.width, title))
    console.print()
    for line in comparing.sentences(found):
        console.print(line, highlight=False, markup=False)
    tell_left_out(console, gathered.left_out)
    for path in out or ():
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)


def split_words(words: Sequence[str | Path]) -> tuple[list[str], list[str]]:
    """Separates folders from filters."""
    from driftseg.api.finding import is_filter

    texts = [str(word) for word in words]
    filters = [text for text in texts if is_filter(text) and not Path(text).exists()]
    return [text for text in texts if text not in filters], filters


def tell_left_out(console: Console, left_out: Sequence[FoundRun]) -> None:
    """Prints how many runs of folders were left out."""
    if left_out:
        states = ", ".join(
            f"{sum(run.state == state for run in left_out)} {state}"
            for state in dict.fromkeys(run.state for run in left_out)
        )
        console.print(
            f"left out: {states}; driftseg runs shows them", soft_wrap=True, highlight=False,
            markup=False,
        )  # fmt: skip


def _table(rows: Sequence[Sequence[str]], width: int, title: str | None = None) -> Table:
    """Breaks headers at spaces; names of groups get the width that numbers leave."""
    header, *body = rows
    widths = [
        max(map(len, [*name.split(), *(row[index] for row in body)]))
        for index, name in enumerate(header)
        if index
    ]
    longest = max(len(row[0]) for row in rows)
    if longest + sum(widths) + GAP * len(widths) > width and header[-1] == "verdict":
        widths[-1] = min(widths[-1], VERDICT)
    first = min(longest, max(width - sum(widths) - GAP * len(widths), LEAST))
    table = Table(
        box=SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False,
        title=title and Text(title), title_justify="left",
    )  # fmt: skip
    for index, (name, room) in enumerate(zip(header, [first, *widths], strict=True)):
        table.add_column(
            Text(name), justify="right" if index else "left", overflow="fold", width=room
        )
    for row in body:
        table.add_row(*map(Text, row))
    return table
