"""driftseg run runs a method on a stream, driftseg evaluate scores a checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from driftseg.cli.drive import kinds_of
from driftseg.cli.options import Changes, Checkpoint, ConfigFile, DataFolder
from driftseg.cli.resume import lines_on, told_of_interruption, where_it_is
from driftseg.cli.texts import duration

if TYPE_CHECKING:
    from driftseg.api.configs import Rehearsal


def with_checkpoint(changes: list[str] | None, checkpoint: str | None) -> list[str]:
    """``--checkpoint`` as ``--set`` changes. They also name the run after the model."""
    given = list(changes or ())
    if checkpoint is None:
        return given
    named = f"source_name={json.dumps(_name_of(checkpoint))}"
    return [named, *given, f"checkpoint={json.dumps(checkpoint)}"]


def _name_of(checkpoint: str) -> str:
    """Name of the file or folder; for best and last, the files of a training, the folder's."""
    path = Path(checkpoint)
    name = path.parent.name if path.stem in ("best", "last") and path.parent.name else path.stem
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", name) or "model"


def run(
    config: ConfigFile,
    change: Changes = None,
    data: DataFolder = None,
    checkpoint: Checkpoint = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="check everything, try two frames, estimate the time; writes nothing"
        ),
    ] = False,
    save: Annotated[
        list[str] | None,
        typer.Option(help="labels, overlays, video or probabilities of every frame; repeatable"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="repeat a run that is finished, in a new folder")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="continue an interrupted run of this config, if any")
    ] = False,
    digest_contents: Annotated[
        bool,
        typer.Option("--digest-contents", help="record digests of the contents of data files"),
    ] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="word that driftseg runs tag=WORD finds the run by; repeatable"),
    ] = None,
    note: Annotated[str | None, typer.Option(help="text to keep with the run")] = None,
) -> None:
    """Run one method on a stream with changing weather.

    Every frame is recorded. driftseg report shows the record. A dry run writes nothing. Ctrl-C ends
    the run after the frame in progress; driftseg resume continues it. A run of the same config that
    is finished is not repeated without --again.
    """
    from driftseg.api import commands, configs
    from driftseg.cli.watch import LiveWatch
    from driftseg.config.run import RunConfig

    changes = with_checkpoint(change, checkpoint)
    configs.check_data(config, "run", changes, data)
    settings = commands.read(config, RunConfig, changes, data)
    console = Console()
    kinds = kinds_of(save)
    commands.check_kinds(kinds)  # a dry run checks it, too
    if dry_run:
        with console.status("trying two frames ..."):
            tried = configs.rehearse(settings)
        for line in _rehearsed(tried):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        return
    with told_of_interruption(console), LiveWatch(console, settings.method.name) as watch:
        folder = commands.run(
            settings, watch=watch, save=kinds, again=again, resume=resume,
            digest_contents=digest_contents, tell=lines_on(console), tags=tag or (), note=note,
        )  # fmt: skip
    where_it_is(console, folder)


def _rehearsed(tried: Rehearsal) -> Iterator[str]:
    """The lines that a dry run prints."""
    width, height = tried.size
    visits = ", ".join(f"{domain} {frames}" for domain, frames in tried.visits)
    yield f"checkpoint  {tried.checkpoint}"
    yield f"frames      {tried.frames} of {width}x{height}, in {len(tried.visits)} visits: {visits}"
    held_out = ", ".join(f"{name} {frames}" for name, frames in tried.held_out.items())
    yield f"held out    {held_out or 'none'}"
    tensors, trained = tried.trained
    share = 100 * trained / tried.parameters
    told = f"{tensors} tensors, {trained:,} of {tried.parameters:,} parameters ({share:.1f} %)"
    if tried.statistics:
        layers = f"{tried.statistics} batch-norm layer{'s' * (tried.statistics > 1)}"
        yield f"trained     no weight; the statistics of {layers} follow the target"
    else:
        yield f"trained     {told if tensors else 'nothing'}"
    for number, each in enumerate(tried.timings, 1):
        parts = f"read {each.reading:.2f} s, predicted {each.answering:.2f} s"
        done = "moved statistics" if tried.statistics else "learnt"
        learnt = f"{done} {each.learning:.2f} s" if each.learnt else "did not learn"
        yield f"frame {number}     {parts}, {learnt}"
    evaluating = tried.evaluation_seconds
    scoring = f"; scoring held-out frames up to {duration(evaluating)}" if evaluating else ""
    whole = duration(tried.building + tried.stream_seconds + evaluating)
    yield f"estimate    {whole}: the stream {duration(tried.stream_seconds)}{scoring}"
    if not tried.timings[-1].learnt and tensors:
        yield "            frames that the method learns from take longer"
    yield from (f"note        {note}" for note in tried.notes)
    yield "no faults found; nothing was written"


def evaluate(
    config: ConfigFile,
    change: Changes = None,
    data: DataFolder = None,
    checkpoint: Checkpoint = None,
) -> None:
    """Score a checkpoint on held-out frames.

    It scores the config's checkpoint in every domain of the schedule, without adaptation.
    """
    from driftseg.api import commands, configs

    changes = with_checkpoint(change, checkpoint)
    configs.check_data(config, "run", changes, data)
    console = Console()
    with console.status("scoring ..."):
        found = commands.evaluate(config, changes=changes, data=data)
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
