"""driftseg run and driftseg evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

ConfigFile = Annotated[Path, typer.Argument(help="YAML file; see examples/")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="override one value, e.g. --set seed=1; repeatable. Another method.name drops the old "
        "one's settings, but for what it trains",
    ),
]
DataFolder = Annotated[
    Path | None, typer.Option(help="folder of the dataset, for sections that name none")
]


def run(config: ConfigFile, change: Changes = None, data: DataFolder = None) -> None:
    """Play one method through a drifting world.

    Every frame is recorded; look at the record with driftseg report.
    """
    from driftseg.api import commands, configs
    from driftseg.cli.watch import LiveWatch
    from driftseg.config.run import RunConfig

    configs.check_data(config, "run", change, data)
    settings = commands.read(config, RunConfig, change or (), data)
    console = Console()
    with LiveWatch(console, settings.method.name) as watch:
        folder = commands.run(settings, watch=watch)
    console.print(f"recorded in {folder}", soft_wrap=True, highlight=False)
    console.print(f"look at it: driftseg report {folder}", soft_wrap=True, highlight=False)


def evaluate(config: ConfigFile, change: Changes = None, data: DataFolder = None) -> None:
    """Score a checkpoint on held-out frames.

    The config's checkpoint, in every domain of its schedule, without adapting.
    """
    from driftseg.api import commands, configs

    configs.check_data(config, "run", change, data)
    console = Console()
    with console.status("scoring ..."):
        found = commands.evaluate(config, changes=change or (), data=data)
    frames = ", ".join(f"{name} {count}" for name, count in found.frames.items())
    console.print(_table(found.rows, found.classes))
    for told in (f"{found.checkpoint}; frames: {frames}", *found.notes):
        console.print(told, soft_wrap=True, highlight=False, markup=False)


def _table(rows: Sequence[Mapping[str, Any]], classes: tuple[str, ...]) -> Table:
    main = [row for row in rows if row["head"] == "main"]
    early = {row["domain"]: row["mean_iou"] for row in rows if row["head"] == "early"}
    table = Table(title="IoU in percent")
    table.add_column("class")
    for row in main:
        table.add_column(str(row["domain"]), justify="right")
    table.add_row("mean", *(_number(row["mean_iou"]) for row in main), style="bold")
    if early:
        table.add_row("mean, early head", *(_number(early.get(row["domain"])) for row in main))
    for name in classes:
        table.add_row(name, *(_number(row["iou"][name]) for row in main))
    return table


def _number(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) and value == value else "-"
