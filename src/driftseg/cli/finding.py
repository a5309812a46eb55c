"""driftseg runs, driftseg tag and driftseg note: find and mark recorded runs."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from driftseg.cli.options import RunFolder
from driftseg.cli.reading_runs import ReadingRuns
from driftseg.cli.run_table import run_table, too_long
from driftseg.errors import InputError

if TYPE_CHECKING:
    from driftseg.api.finding import FoundRun, Listing, Remarks

SHOWN = 30
"""Number of runs in a table without --limit."""
TOLD = 3
"""Number of unreadable runs whose reason is printed."""


def runs(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER] [FILTER]...",
            help="folder of runs (default: runs), and filters that must all hold: method=dacs, "
            "seed=0,1, tag=x, state=finished, 'over_all_visits>50', method.learning_rate=0.001",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="a column, number or setting; numbers from the largest (default: newest)"
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="reverse the order")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help=f"number of runs; 0 is all (default: {SHOWN} in a table)"),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="columns to show, with commas: run,seed,forgotten")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV with all numbers")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON with all numbers and settings")
    ] = False,
    index: Annotated[
        bool, typer.Option(help="keep an index in the folder, .driftseg_runs.sqlite")
    ] = True,
) -> None:
    """List runs with their numbers; filter and sort them.

    Runs in folders below FOLDER are listed, too. --json shows the names of all columns.
    """
    from driftseg.api import finding

    if as_csv and as_json:
        raise InputError("runs: expected one format, got --csv and --json. To fix: drop one")
    folder, filters = _taken_apart(words or [])
    plain = as_csv or as_json
    most = limit if limit is not None else 0 if plain else SHOWN
    with ReadingRuns() as told:
        listing = finding.search(
            folder, filters, sort=sort, reverse=reverse, limit=most or None, index=index, told=told
        )
    asked = [name.strip() for name in columns.split(",")] if columns else []
    asked = [finding.find_column(listing.everyone, name) for name in asked]
    if as_json:
        rows = (json.dumps(run.as_row(), ensure_ascii=False, default=str) for run in listing.runs)
        sys.stdout.write("[" + ",\n".join(rows) + "]\n")
    elif as_csv:
        _write_csv(listing.runs, asked or [*finding.COLUMNS, *_numbers(listing.runs)])
    else:
        shown = [sort, *filters] if sort else filters
        _print(listing, asked, _of_interest(listing.everyone, shown))


def _taken_apart(words: Sequence[str]) -> tuple[Path, list[str]]:
    """Separates the folder from the filters."""
    from driftseg.api import finding

    folders = [word for word in words if not finding.is_filter(word) or Path(word).is_dir()]
    if len(folders) > 1:
        raise InputError(
            f"runs: expected one folder and filters like method=dacs, got {' and '.join(folders)}. "
            "To fix: write filters as COLUMN=VALUE, and name one folder"
        )
    filters = [word for word in words if word not in folders]
    return Path(folders[0] if folders else "runs"), filters


def _of_interest(found: Sequence[FoundRun], words: Sequence[str]) -> list[str]:
    """Columns that filters or --sort name."""
    from driftseg.api import finding

    names = [re.split("[=<>!]", word)[0].strip() for word in words]
    return [finding.find_column(found, name) for name in names]


def _print(listing: Listing, asked: Sequence[str], also: Sequence[str]) -> None:
    console = Console()
    if listing.runs:
        for row in run_table(listing.runs, console.width, asked, also):
            console.print(row, soft_wrap=True)
        if not asked and too_long(listing.runs, console.width):
            console.print("the folder of a run is *_HASH", soft_wrap=True, highlight=False)
    for line in _told(listing):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _told(listing: Listing) -> Iterator[str]:
    """Lines below the table: counts, unreadable runs and index problems."""
    everyone = len(listing.everyone)
    count = f"{everyone} run{'s' if everyone != 1 else ''}"
    if listing.matching != everyone:
        count = f"{listing.matching} of {count}"
    hidden = listing.matching - len(listing.runs)
    yield count + (f"; {len(listing.runs)} shown, --limit 0 shows all" if hidden else "")
    unreadable = [run for run in listing.runs if run.problem]
    for run in unreadable[:TOLD]:
        yield f"unreadable: {run.problem}"
    if len(unreadable) > TOLD:
        yield f"and {len(unreadable) - TOLD} more are unreadable; --columns run,problem says why"
    if listing.index_problem is not None:
        yield (
            f"the index cannot be written ({listing.index_problem}); {listing.read} runs were read"
        )


def _numbers(found: Sequence[FoundRun]) -> list[str]:
    """The names of all numbers that any run has."""
    return list(dict.fromkeys(name for run in found for name in run.numbers))


def _write_csv(found: Sequence[FoundRun], columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(run.value(name)) for name in columns] for run in found)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else value


def tag(
    run: RunFolder,
    tags: Annotated[
        list[str], typer.Argument(help="letters, digits and . _ + : / @ -", metavar="TAG...")
    ],
    remove: Annotated[bool, typer.Option("--remove", help="remove these tags")] = False,
) -> None:
    """Give a run tags; driftseg runs tag=TAG finds it."""
    from driftseg.api import finding

    _say(run, finding.tag_run(run, tags, remove=remove))


def note(
    run: RunFolder,
    text: Annotated[str | None, typer.Argument(help="the note, in quotes")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="drop earlier notes")] = False,
) -> None:
    """Add a note to a run; without TEXT, print its tags and notes."""
    from driftseg.api import finding

    if text is None and not replace:
        _say(run, finding.remarks_of(run))
    else:
        _say(run, finding.note_run(run, text, replace=replace))


def _say(run: Path, remarks: Remarks) -> None:
    console = Console()
    lines = [f"tags: {' '.join(remarks.tags) or '-'}", *(f"note: {n}" for n in remarks.notes)]
    for line in (str(run), *lines):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
