"""The driftseg command."""

from __future__ import annotations

import sys
import time
import traceback
from types import TracebackType
from typing import Annotated

import typer
from rich.console import Console

import driftseg
from driftseg.cli import torchrun
from driftseg.cli.calibrate import calibrate
from driftseg.cli.check import app as check
from driftseg.cli.config import app as config
from driftseg.cli.data import app as data
from driftseg.cli.demo import demo
from driftseg.cli.drive import adapt, predict
from driftseg.cli.examples import examples
from driftseg.cli.export import export
from driftseg.cli.inspect import info, inspect
from driftseg.cli.listing import datasets, encoders, methods
from driftseg.cli.report import report
from driftseg.cli.run import evaluate, run
from driftseg.cli.several_values import SeveralValues
from driftseg.cli.train import train
from driftseg.cli.weather import weather
from driftseg.errors import InputError, OwnCodeError

app = typer.Typer(
    name="driftseg",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo, adapt, predict, export, examples, train, calibrate, run, evaluate, report, inspect, info,
    methods, encoders, datasets,
):  # fmt: skip
    app.command()(command)
app.command(cls=SeveralValues)(weather)
app.add_typer(data)
app.add_typer(check)
app.add_typer(config)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"driftseg {driftseg.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="show the version"),
    ] = False,
) -> None:
    """Keep a segmentation model accurate while the world drifts.

    Start with `driftseg demo`: it needs no data and shows what this is about. Then look at your
    labelled images (`data check`), train a source model on them (`train`), let it meet a drifting
    world (`run`), and look at what happened (`report`). Every command has its own --help.
    """


def entry() -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2.

    Where the mistake is in code of the user's own, its traceback follows the line.
    """
    try:
        app()
    except InputError as error:
        if not torchrun.tells_errors():
            time.sleep(1)  # torchrun ends all when one ends; the first has to tell before
            sys.exit(2)
        from driftseg.api.images import without_secrets

        Console(stderr=True).print(
            f"error: {without_secrets(str(error))}",
            style="red",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
        if isinstance(error, OwnCodeError) and (cause := error.__cause__) is not None:
            frames = _own_frames(cause.__traceback__)
            sys.stderr.writelines(traceback.format_exception(type(cause), cause, frames))
        sys.exit(2)


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """A traceback from where the user's own code begins: after what imports it.

    Code that cannot be parsed has no frame of its own; its error names the file and the line.
    """
    here = frames
    while here is not None:
        name = here.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(("driftseg.", "importlib")):
            return here
        here = here.tb_next
    return None
