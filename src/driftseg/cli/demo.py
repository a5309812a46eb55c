"""driftseg demo: three methods in a rainstorm, night and fog on Town, and a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from driftseg.cli.resume import lines_on, told_of_interruption

if TYPE_CHECKING:
    from driftseg.api.demo import DemoRun


def demo(
    out: Annotated[Path, typer.Option(help="folder for the runs and the report")] = Path("runs"),
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="maximum number of frames in each visit, for a short trial"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="run methods again that have finished before")
    ] = False,
) -> None:
    """Run three methods in a rainstorm, night and fog.

    The streets are procedural and the model comes with the package. Nothing is downloaded. The
    demo takes some minutes on two cores.
    """
    # Heavy imports come late, so that --help is fast.
    from driftseg.api import demo as api
    from driftseg.cli.watch import LiveWatch

    console = Console()
    console.print(
        "A model trained on clear days drives through a rainstorm, night and fog.\n"
        "Three methods see the same frames, without labels:\n"
        "  source_only      never changes\n"
        "  norm_statistics  normalises with statistics that follow the frames; no weight learns\n"
        "  auto             also trains adapters, on labelled source images that are restyled\n"
        "                   to the last frames\n"
        "Scores are mIoU of predictions made before the method learns from the frame.\n",
        highlight=False,
    )
    started = time.perf_counter()
    runs = []
    for name in api.METHODS:
        with told_of_interruption(console), LiveWatch(console, f"{name:<15}") as watch:
            runs.append(
                api.demo_run(
                    name, out, frames=frames, watch=watch, again=again, tell=lines_on(console)
                )
            )
    report = api.demo_report(runs, out)
    console.print()
    console.print(_table(runs))
    console.print(f"finished in {time.perf_counter() - started:.0f} s", highlight=False)
    console.print(f"open the report: {report.resolve()}", soft_wrap=True, highlight=False)


def _table(runs: Sequence[DemoRun]) -> Table:
    table = Table(title="mIoU in percent, predicted before learning from the frame")
    table.add_column("method")
    for visit in runs[0].visits:
        table.add_column(visit, justify="right")
    for run in runs:
        table.add_row(run.method, *(f"{score:.1f}" for score in run.scores))
    return table
