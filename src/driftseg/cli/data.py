"""driftseg data: checks a dataset on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from driftseg.api.data import DatasetCheck, Severity

CODES = {"note": 0, "warning": 1, "error": 2}
"""Exit codes of `check`."""
ASSUMED = (
    "no file says what the label ids mean, so camvid11 is assumed; docs/classes.md says how to "
    "state "
    "classes of your own"
)
STYLES = {"note": "dim", "warning": "yellow", "error": "red"}

app = typer.Typer(
    name="data",
    help="Check datasets before they are used.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main() -> None:
    """Check datasets before they are used."""


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="folder of a dataset or of images")],
    layout: Annotated[
        str | None,
        typer.Option(
            help="layout of the folder (cityscapes, ..., weather_set, folder); default: recognised"
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="folder of label PNGs for a folder of images")
    ] = None,
    label_space: Annotated[
        str | None,
        typer.Option(
            help="label space of a folder of labels, or the label space to map a layout's labels to"
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="file of classes (docs/classes.md); default: classes.yaml, if there is one"
        ),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="check only scenes with these names (shell patterns)")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="leave out scenes with these names (shell patterns)")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="number of files to read in parallel; default: number of cores, at most 8"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="folder for report.json and class_shares.png, outside the dataset"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="read only file headers: sizes, codings, missing files")
    ] = False,
) -> None:
    """Report the content and the faults of a dataset.

    It reports layout, splits, sizes, classes, and files that are missing, damaged or do not fit.
    The dataset is not changed. The exit code is 0 without faults, 1 with warnings, and 2 with
    errors, which driftseg would refuse.
    """
    from driftseg.api.data import check_data, prepare, write_check

    if out is not None:
        prepare(out, path)
    console = Console()
    with _progress(console) as watch:
        found = check_data(
            path,
            layout=layout,
            labels=labels,
            label_space=label_space,
            classes=classes,
            include=include or (),
            exclude=exclude or (),
            headers_only=quick,
            workers=workers,
            watch=watch,
        )
    _show(console, found)  # before writing, so that a full disk does not hide it
    if out is not None:
        for written in write_check(found, out):
            console.print(f"written: {written}", soft_wrap=True, highlight=False)
    raise typer.Exit(CODES[found.severity])


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Shows a progress bar if output is a terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("checking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def _show(console: Console, found: DatasetCheck) -> None:
    where = f"{found.root}: {found.title} ({found.layout}), {found.label_space.phrase}"
    _say(console, where)
    if found.classes_assumed:
        _say(console, ASSUMED)
    if found.headers_only:
        _say(console, "only file headers were read; damage, ids and classes were not checked")
    if found.parts:
        console.print(_parts_table(found))
    for what, counts in (
        ("image sizes", {f"{w}x{h}": count for (w, h), count in found.image_sizes.items()}),
        ("labels stored as", found.label_codings),
        ("unknown ids, in pixels", found.unknown_ids),
    ):
        if counts:
            _say(console, f"{what}: {_first(counts)}")
    if found.classes:
        console.print(_class_table(found))
    _show_findings(console, found)


def _first(counts: Mapping[Any, int], most: int = 8) -> str:
    told = [f"{what} ({count})" for what, count in counts.items()]
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more


def _show_findings(console: Console, found: DatasetCheck) -> None:
    for finding in found.findings:
        style = STYLES[finding.severity]
        _say(console, f"{finding.severity}: {finding.meaning} ({finding.count})", style)
        for example in finding.examples:
            _say(console, f"    {example}")
    counts = Counter(finding.severity for finding in found.findings)
    if found.severity == "note":
        _say(console, "no faults", "green")
        return
    names: tuple[Severity, ...] = ("error", "warning")
    told = [f"{counts[n]} {n}{'s' * (counts[n] > 1)}" for n in names if counts[n]]
    _say(console, f"found {' and '.join(told)}", STYLES[found.severity])


def _parts_table(found: DatasetCheck) -> Table:
    table = Table()
    for name in ("split", "domain"):
        table.add_column(name)
    for name in ("images", "labels", "depth"):
        table.add_column(name, justify="right")
    for part in found.parts:
        counts = (str(count or "-") for count in (part.images, part.labels, part.depth))
        table.add_row(part.split, part.domain or "-", *counts)
    return table


def _class_table(found: DatasetCheck) -> Table:
    table = Table(title=f"labelled pixels; {100 * found.ignored:.1f} % of all pixels have no class")
    table.add_column("class")
    table.add_column("share", justify="right")
    table.add_column("", width=24)
    table.add_column("scenes", justify="right")
    most = max(share.share for share in found.classes) or 1.0
    for share in found.classes:
        table.add_row(
            share.name,
            f"{100 * share.share:.2f} %" if share.pixels else "-",
            "█" * round(24 * share.share / most) or ("▏" if share.pixels else ""),
            str(share.scenes or "-"),
        )
    return table
