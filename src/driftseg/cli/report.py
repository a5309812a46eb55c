"""driftseg report: compares runs on one page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from driftseg.cli.compare import split_words, tell_left_out
from driftseg.cli.options import RunsAndFilters


def report(
    runs: RunsAndFilters,
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file to write; default: report.html in the last folder"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="heading of the page")] = None,
    oracle: Annotated[
        Path | None,
        typer.Option(
            help="folder of a run whose scores are the upper bound; shows the share of the gap "
            "that each method closed"
        ),
    ] = None,
    numbers: Annotated[
        Path | None,
        typer.Option(
            help="write the numbers, too: a .csv file with one row per run, or a .md table over "
            "seeds"
        ),
    ] = None,
) -> None:
    """Write one page that compares one or several runs.

    Runs of one method with different seeds are shown as mean and standard deviation.
    """
    from driftseg.api import commands

    places, filters = split_words(runs)
    console = Console()
    page = commands.report(
        places, out, title=title, oracle=oracle, numbers=numbers, where=filters,
        left_out=partial(tell_left_out, console),
    )  # fmt: skip
    console.print(f"report: {page}", soft_wrap=True, highlight=False)
    if numbers is not None:
        console.print(f"numbers: {numbers}", soft_wrap=True, highlight=False)
