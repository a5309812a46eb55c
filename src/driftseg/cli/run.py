"""driftseg run and driftseg evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from driftseg.errors import InputError

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
    from driftseg.cli.watch import LiveWatch
    from driftseg.config.reading import read_config
    from driftseg.config.run import RunConfig
    from driftseg.runs.run import run as play_run

    settings = read_config(config, RunConfig, changes=change or (), data=data)
    console = Console()
    with LiveWatch(console, settings.method.name) as watch:
        folder = play_run(settings, watch)
    console.print(f"recorded in {folder}", soft_wrap=True, highlight=False)
    console.print(f"look at it: driftseg report {folder}", soft_wrap=True, highlight=False)


def evaluate(config: ConfigFile, change: Changes = None, data: DataFolder = None) -> None:
    """Score a checkpoint on held-out frames.

    The config's checkpoint, in every domain of its schedule, without adapting.
    """
    from driftseg.config.reading import read_config
    from driftseg.config.run import RunConfig
    from driftseg.runs.build import build
    from driftseg.runs.loop import score_domains

    changes = [*(change or ()), "method={name: source_only}", "source=null"]
    settings = read_config(config, RunConfig, changes=changes, data=data)
    if settings.adapters is not None and settings.adapters.file is None:
        settings = settings.model_copy(update={"adapters": None})  # untrained ones add nothing
    if settings.evaluation is None and not settings.evaluations:
        raise InputError(
            f"{config}: there are no held-out frames; name them under evaluation or evaluations"
        )
    console = Console()
    with console.status("scoring ..."):
        parts = build(settings)
        try:
            rows = score_domains(parts, lambda moment: None)
        finally:
            parts.data.close()
    frames = ", ".join(f"{name} {len(data)}" for name, (data, _) in parts.held_out.items())
    console.print(_table(rows, parts.label_space.classes))
    for told in (f"{parts.checkpoint.path}; frames: {frames}", *parts.checkpoint.notes):
        console.print(told, soft_wrap=True, highlight=False, markup=False)


def _table(rows: list[dict[str, object]], classes: tuple[str, ...]) -> Table:
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
        table.add_row(name, *(_number(row["iou"][name]) for row in main))  # type: ignore[index]
    return table


def _number(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) and value == value else "-"
