"""driftseg demo: a storm over Town for four methods, and a report of it."""

from __future__ import annotations

import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

METHODS: dict[str, tuple[str, ...]] = {
    "source_only": ("method={name: source_only}",),
    "tent": ("method={name: tent}",),
    "dacs": (),  # the file's own
    "restyled_replay": (
        "method={name: restyled_replay, train: [adapters, head], head_factor: 1, "
        "restylings: [bands, texture]}",
        "adapters={kind: adaptformer, ratio: 0.25}",
    ),
}
"""Changes to the config of the demo, by method."""


def demo(
    out: Annotated[Path, typer.Option(help="folder for runs and report")] = Path("runs"),
    frames: Annotated[int, typer.Option(min=1, help="frames in each domain")] = 20,
) -> None:
    """Show what driftseg does: a storm over streets.

    The streets are procedural and the model comes with the package: nothing is downloaded. Takes
    a few minutes on two cores.
    """
    # Heavy imports wait until they are needed, so that --help is quick.
    from driftseg.api import commands
    from driftseg.cli.watch import LiveWatch
    from driftseg.config.run import RunConfig

    console = Console()
    console.print(
        "A model trained on clear days drives through Town while a storm comes and goes\n"
        "(clear 25 50 75 100 200 100 75 50 25 clear mm/h). Four methods meet the same storm:\n"
        "  source_only      never changes\n"
        "  tent             lowers the entropy of its own predictions\n"
        "  dacs             learns from its own labels, mixed with labelled source images\n"
        "  restyled_replay  learns from source images in the storm's clothes, in small adapters\n"
        "mIoU is of predictions made before learning from a frame.\n",
        highlight=False,
    )
    started = time.perf_counter()
    folders = []
    for name, own in METHODS.items():
        changes = [f"out={out}", f"schedule.frames={frames}", *own]
        with as_file(files("driftseg") / "assets" / "town_storm.yaml") as path:
            settings = commands.read(path, RunConfig, changes)
        with LiveWatch(console, f"{name:<15}") as watch:
            folders.append(commands.run(settings, watch=watch))
    report = commands.report(folders, out / "report.html", title="A storm over Town")
    minutes = (time.perf_counter() - started) / 60
    console.print(f"\nfinished in {minutes:.1f} minutes", highlight=False)
    console.print(f"open the report: {report.resolve()}", soft_wrap=True, highlight=False)
