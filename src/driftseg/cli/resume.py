"""driftseg resume continues a run; driftseg repeat runs it again and compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from driftseg.cli.options import RunFolder


def resume(run: Annotated[Path, typer.Argument(help="folder of an interrupted run")]) -> None:
    """Continue an interrupted run.

    It continues at its last checkpoint. Except for times, the finished record equals that of an
    uninterrupted run, line by line.
    """
    from driftseg.api import experiments
    from driftseg.cli.watch import LiveWatch

    console = Console()
    with told_of_interruption(console), LiveWatch(console, "resumed") as watch:
        folder = experiments.resume(run, watch=watch, tell=lines_on(console))
    where_it_is(console, folder)


def repeat(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option(help="folder of runs to keep the repetition in; default: none")
    ] = None,
) -> None:
    """Run a recorded run again and say where the first difference is.

    Times are not compared. The exit code is 1 if the records differ.
    """
    from driftseg.api import experiments
    from driftseg.cli.watch import LiveWatch

    console = Console()
    tell = lines_on(console)
    kept = out is not None
    with told_of_interruption(console, kept=kept), LiveWatch(console, "repeated") as watch:
        found = experiments.repeat(run, out, watch=watch, tell=tell)
    for line in found.environment:
        tell(f"not as it was: {line}")
    if found.difference is None:
        tell(
            f"no difference in {found.frames} frames and {found.evaluations} lines of evaluations, "
            "times aside"
        )
        return
    tell(f"first difference: {found.difference}")
    if found.measured:
        tell("this method chooses by measured times, which differ between any two runs")
    raise typer.Exit(1)


def where_it_is(console: Console, folder: Path) -> None:
    """Prints the folder of a finished run and the command for its report."""
    console.print(f"recorded in {folder}", soft_wrap=True, highlight=False)
    console.print(f"look at it: driftseg report {folder}", soft_wrap=True, highlight=False)


def lines_on(console: Console) -> Callable[[str], None]:
    """Prints lines beside a progress bar."""

    def tell(line: str) -> None:
        console.print(line, soft_wrap=True, highlight=False, markup=False)

    return tell


@contextmanager
def told_of_interruption(console: Console, *, kept: bool = True) -> Iterator[None]:
    """Prints how to continue an interrupted run; exit code 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        yield
    except KeyboardInterrupt as error:
        # A heavy import. It is already loaded if it raised this error.
        from driftseg.api.experiments import RunInterrupted

        tell = lines_on(console)
        if not isinstance(error, RunInterrupted):
            tell("ended at once")
            raise typer.Exit(130) from None
        where = f"kept in {error.folder}" if kept else "nothing is kept"
        tell(f"interrupted after {error.frames} of {error.total} frames, {where}")
        if kept:
            tell(f"continue: driftseg resume {error.folder}")
        raise typer.Exit(128 + error.number) from None
