"""driftseg train: trains a source model on labelled images."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from driftseg.cli import torchrun
from driftseg.cli.options import DataFolder

if TYPE_CHECKING:
    from driftseg.api.commands import LoadReport, TrainRehearsal


def train(
    config: Annotated[
        Path, typer.Argument(help="YAML file; driftseg examples lists some, e.g. town_source")
    ],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="set one value, e.g. --set steps=500; repeatable"),
    ] = None,
    data: DataFolder = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="check everything, try two steps, estimate the time"),
    ] = False,
) -> None:
    """Train a source model on labelled images.

    Keeps the best and the last checkpoint. Give the same command again to continue an interrupted
    training, or with more steps to lengthen a finished one. A dry run keeps nothing.

    In several processes: torchrun --nproc-per-node 2 -m driftseg train CONFIG
    """
    from driftseg.api import commands, configs
    from driftseg.cli.train_watch import TrainWatch
    from driftseg.config.train import TrainConfig

    configs.check_data(config, "train", change, data)
    settings = commands.read(config, TrainConfig, change or (), data)
    console = Console(quiet=not torchrun.prints())
    console.print("reading the source images ...")
    if dry_run:
        for line in _rehearsed(commands.rehearse_train(settings)):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        return

    def loaded(reports: Sequence[LoadReport]) -> None:
        for line in _weights(reports):
            console.print(line, highlight=False)

    with TrainWatch(console) as watch:
        try:
            done = commands.train(
                settings, watch=watch, loaded=loaded, begin=watch.begin, stopping=_tell_stopping
            )
        except commands.Interrupted as stopped:
            for line in (f"{stopped}; everything is kept", "continue with:"):
                console.print(line, highlight=False)
            console.print(f"  {torchrun.command_again()}", highlight=False, soft_wrap=True)
            raise typer.Exit(128 + stopped.signal) from None
    console.print(f"best validation mIoU {done.mean_iou:.2f} %: {done.best}", soft_wrap=True)


def _tell_stopping() -> None:
    again = "" if torchrun.launched() else "; once more ends at once"
    sys.stderr.write(f"\nstopping after the step in progress{again}\n")


def _weights(reports: Sequence[LoadReport]) -> list[str]:
    told = [line for report in reports for line in report.lines()]
    return told or ["starting from random weights"]


def _rehearsed(tried: TrainRehearsal) -> Iterator[str]:
    """The lines that a dry run prints."""
    from driftseg.cli.texts import duration

    for number, line in enumerate(_weights(tried.loaded)):
        yield f"{'' if number else 'weights':<12}{line}"
    tensors, trained = tried.trained
    share = 100 * trained / tried.parameters
    width, height = tried.size
    yield f"model       {tried.encoder}, {tried.classes} classes"
    yield (
        f"trained     {tensors} tensors, {trained:,} of {tried.parameters:,} parameters"
        f" ({share:.1f} %)"
    )
    yield f"data        {tried.scenes} scenes, {tried.validation} for validation"
    parts = tried.processes * tried.accumulate
    split = "" if parts == 1 else (
        f": processes {tried.processes}, parts in each {tried.accumulate},"
        f" images at once {tried.batch // parts}"
    )  # fmt: skip
    yield f"batch       {tried.batch} images of {width}x{height}{split}"
    yield f"device      {tried.device}, {tried.precision}"
    yield f"steps       {', '.join(f'{name} {steps}' for name, steps in tried.phases)}"
    yield f"out         {tried.out}: {tried.continues or 'a new training'}"
    each = ", ".join(f"{seconds:.2f} s" for seconds in tried.step_seconds)
    yield f"tried       steps of {each}; a validation scene {tried.validation_seconds:.2f} s"
    yield f"estimate    {duration(tried.seconds)} for a whole training"
    yield "all is well; nothing was written"
