"""The command ``driftseg``."""

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
from driftseg.cli.compare import compare
from driftseg.cli.config import app as config
from driftseg.cli.data import app as data
from driftseg.cli.demo import demo
from driftseg.cli.drive import adapt, predict
from driftseg.cli.examples import examples
from driftseg.cli.export import export
from driftseg.cli.finding import note, runs, tag
from driftseg.cli.inspect import info, inspect
from driftseg.cli.listing import datasets, encoders, methods
from driftseg.cli.report import report
from driftseg.cli.resume import repeat, resume
from driftseg.cli.run import evaluate, run
from driftseg.cli.several_values import SeveralValues
from driftseg.cli.sweep import sweep
from driftseg.cli.train import train
from driftseg.cli.tune import tune
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
    demo, adapt, predict, export, examples, train, calibrate, run, sweep, tune, resume, repeat,
    evaluate, report, runs, compare, tag, note, inspect, info, methods, encoders, datasets,
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
    """Adapt a semantic segmentation model online while the domain changes.

    Start with `driftseg demo`, which needs no data. Then check your labelled images
    (`data check`), train a source model on them (`train`), run a method on a stream with changing
    weather (`run`), and compare the runs (`report`). Every command has its own --help.
    """


def entry() -> None:
    """Runs the command. A user's error prints one line on stderr; the exit code is 2.

    An error in the user's own code also prints its traceback.
    """
    try:
        app()
    except InputError as error:
        if not torchrun.tells_errors():
            time.sleep(1)  # torchrun ends all processes when one ends: let the first print
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
    """The part of a traceback that begins in the user's own code.

    Code that cannot be parsed has no frame of its own. Its error names the file and the line.
    """
    here = frames
    while here is not None:
        name = here.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(("driftseg.", "importlib")):
            return here
        here = here.tb_next
    return None
