"""driftseg sweep: many runs of one base config."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from driftseg.cli.options import Address

if TYPE_CHECKING:
    from driftseg.api.sweeps import Expansion, Swept


def sweep(
    file: Annotated[Path, typer.Argument(help="YAML file: base, grid, runs, ...", metavar="FILE")],
    address: Address = None,
    out: Annotated[
        Path | None, typer.Option(help="the sweep's folder; default: sweeps/NAME")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="list the runs and estimate their time")
    ] = False,
) -> None:
    """Run a base config with every combination of a grid, or a list of changes.

    Runs are tasks of Ray: on this machine, or on a cluster with --address. Give the same command
    again after an interruption: finished runs are not repeated, others continue.
    """
    from driftseg.api import sweeps
    from driftseg.cli.resume import lines_on
    from driftseg.cli.sweep_table import SweepTable

    console = Console()
    settings, found = sweeps.read(file, out=out)
    assert settings.out is not None
    for line in _begun(found, settings.out, sync=settings.sync):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if dry_run:
        from driftseg.cli.sweep_rehearsal import rehearse

        rehearse(console, settings, found)
        return
    with told_how_to_go_on(console), SweepTable(console) as table:
        outcome = sweeps.sweep(file, out=out, address=address, show=table, tell=lines_on(console))
    tell_outcome(console, outcome)
    if outcome.failed:
        raise typer.Exit(1)


def _begun(found: Expansion, folder: Path, *, sync: bool) -> list[str]:
    number = len(found.points)
    where = (
        "nodes keep runs in folders of their own, and send the files back"
        if sync
        else "on a cluster all nodes must see this folder"
    )
    return [f"{number} run{'s' if number > 1 else ''} in {folder}; {where}", *found.notes]


@contextmanager
def told_how_to_go_on(console: Console) -> Iterator[None]:
    """Prints after Ctrl-C how to continue; exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(
            "interrupted; every run has finished its frame. To continue, give the same command "
            "again", soft_wrap=True, highlight=False,
        )  # fmt: skip
        raise typer.Exit(130) from None


def tell_outcome(console: Console, outcome: Swept) -> None:
    """Prints the table of a sweep, failures with their last lines, and the paths of its files."""
    from driftseg.cli.sweep_table import outcome_table

    if outcome.lines:
        console.print(outcome_table(outcome.lines))
    for row in outcome.rows:
        if row.state in ("failed", "stopped"):
            console.print(f"{row.state}: {row.label}", soft_wrap=True, highlight=False,
                          style="red" if row.state == "failed" else None, markup=False)  # fmt: skip
            for line in row.reason.splitlines():
                console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
    states = [row.state for row in outcome.rows]
    told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    known = sum(row.known and row.state == "finished" for row in outcome.rows)
    before = f" ({known} before this command)" if known else ""
    console.print(f"{told}{before}", soft_wrap=True, highlight=False)
    if outcome.numbers is not None:
        console.print(f"numbers: {outcome.numbers}", soft_wrap=True, highlight=False)
    if outcome.report is not None:
        console.print(f"report: {outcome.report}", soft_wrap=True, highlight=False)
    if outcome.failed:
        console.print("to run failed runs again, give the same command", highlight=False)
