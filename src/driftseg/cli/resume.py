"""driftseg resume and driftseg repeat: a run goes on, or is made again and compared."""

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

    It goes on at its last checkpoint. The finished record equals an uninterrupted run, line for
    line, times aside.
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

    Times are not compared. Exit code 1 where the records differ.
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
    """What to do with a finished run."""
    console.print(f"recorded in {folder}", soft_wrap=True, highlight=False)
    console.print(f"look at it: driftseg report {folder}", soft_wrap=True, highlight=False)


def lines_on(console: Console) -> Callable[[str], None]:
    """Prints lines beside a progress bar."""

    def tell(line: str) -> None:
        console.print(line, soft_wrap=True, highlight=False, markup=False)

    return tell


@contextmanager
def told_of_interruption(console: Console, *, kept: bool = True) -> Iterator[None]:
    """Says how an interrupted run continues; exit code 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        yield
    except KeyboardInterrupt as error:
        # The room that raises is heavy, and loaded already if it has raised.
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
