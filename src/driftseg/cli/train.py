"""driftseg train: trains a source model on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from driftseg.api.commands import LoadReport
    from driftseg.api.commands import Progress as Step


def train(
    config: Annotated[
        Path, typer.Argument(help="YAML file; driftseg examples lists some, e.g. town_source")
    ],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="set one value, e.g. --set steps=500; repeatable"),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="folder of the dataset, for sections that have no root")
    ] = None,
) -> None:
    """Train a source model on labelled images.

    Keeps the best and the last checkpoint.

    The same command continues an interrupted training.
    """
    from driftseg.api import commands, configs
    from driftseg.config.train import TrainConfig

    configs.check_data(config, "train", change, data)
    settings = commands.read(config, TrainConfig, change or (), data)
    console = Console()
    console.print("reading the source images ...")

    def tell(reports: Sequence[LoadReport]) -> None:
        told = [line for report in reports for line in report.lines()]
        for line in told or ["starting from random weights"]:
            console.print(line, highlight=False)

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("main", total=settings.steps, facts="")

        def show(step: Step) -> None:
            facts = f"loss {step.loss:.3f}  {step.images_per_second:.1f} images/s"
            if step.unlabelled:
                facts += f"  {step.unlabelled} batches without labelled pixels"
            bar.update(
                task, completed=step.step, total=step.steps, description=step.phase, facts=facts
            )
            if step.mean_iou is not None:
                bar.console.print(
                    f"{step.phase} step {step.step}: validation mIoU {step.mean_iou:.2f} %"
                    f" (best {step.best:.2f})",
                    highlight=False,
                    soft_wrap=True,
                )

        done = commands.train(settings, watch=show, loaded=tell)
    console.print(f"best validation mIoU {done.mean_iou:.2f} %: {done.best}", soft_wrap=True)
