"""driftseg resume: an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


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
def told_of_interruption(console: Console) -> Iterator[None]:
    """Says how an interrupted run continues; exit code 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        yield
    except KeyboardInterrupt as error:
        # The room that raises is heavy, and loaded already if it has raised.
        from driftseg.api.experiments import RunInterrupted

        if not isinstance(error, RunInterrupted):
            console.print("ended at once", highlight=False)
            raise typer.Exit(130) from None
        console.print(
            f"interrupted after {error.frames} of {error.total} frames, kept in {error.folder}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
        console.print(f"continue: driftseg resume {error.folder}", soft_wrap=True, highlight=False)
        raise typer.Exit(128 + error.number) from None
