"""driftseg tune: searches for the best settings of each method on a tuning schedule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from driftseg.cli.options import Address
from driftseg.cli.sweep import told_how_to_go_on

if TYPE_CHECKING:
    from driftseg.api.sweeps import Tuned


def tune(
    file: Annotated[
        Path,
        typer.Argument(help="YAML file: base, schedule, methods, trials, ...", metavar="FILE"),
    ],
    address: Address = None,
    out: Annotated[
        Path | None, typer.Option(help="the study's folder; default: studies/NAME")
    ] = None,
) -> None:
    """Search for the best settings of each method, with the same number of trials for each.

    The search runs on a tuning schedule that must differ from the reported one. One rule uses
    target labels (oracle), the other does not. Give the same command again to continue.
    """
    from driftseg.api import sweeps
    from driftseg.cli.resume import lines_on
    from driftseg.cli.sweep_table import SweepTable

    console = Console()
    with told_how_to_go_on(console), SweepTable(console) as table:
        tuned = sweeps.tune(file, out=out, address=address, show=table, tell=lines_on(console))
    _tell(console, tuned)
    if tuned.failed:
        raise typer.Exit(1)


def _tell(console: Console, tuned: Tuned) -> None:
    table = Table(box=SIMPLE_HEAD, title="chosen settings; percent on the tuning stream",
                  title_justify="left", pad_edge=False)  # fmt: skip
    for name in ("method", "rule"):
        table.add_column(name)
    for name in ("oracle", "label_free", "source mIoU", "agreement"):
        table.add_column(name, justify="right")
    for each in tuned.choices:
        numbers = [each.numbers.get(name) for name in
                   ("oracle", "label_free", "source_mean_iou", "agreement")]  # fmt: skip
        table.add_row(
            each.method, each.rule,
            *("-" if value is None else f"{value:.1f}" for value in numbers),
        )  # fmt: skip
    console.print(table)
    for line in (
        "oracle: harmonic mean over visits of the mIoU before learning, with target labels",
        "label_free: harmonic mean of source mIoU (held-out source frames after adaptation) and "
        "agreement with augmented views",
        *(f"{method}: {number} scored trials" for method, number in tuned.trials.items()),
    ):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    for row in tuned.failed:
        console.print(f"failed: {row.label}", style="red", soft_wrap=True, highlight=False,
                      markup=False)  # fmt: skip
        for line in row.reason.splitlines():
            console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
    if tuned.failed:
        console.print("to run failed trials again, give the same command", highlight=False)
    for line in _how_to_use(tuned):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _how_to_use(tuned: Tuned) -> Iterator[str]:
    for each in tuned.choices:
        chosen = ", ".join(f"{key}={value}" for key, value in each.values.items())
        yield f"{each.method}, {each.rule}: {chosen}"
        yield f"  driftseg run {each.config}"
    if tuned.sweep is not None:
        yield f"all chosen settings, three seeds: driftseg sweep {tuned.sweep}"
    yield f"all trials: {tuned.numbers}"
