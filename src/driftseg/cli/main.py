"""The driftseg command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from driftseg.cli.calibrate import calibrate
from driftseg.cli.data import app as data
from driftseg.cli.demo import demo
from driftseg.cli.inspect import info, inspect
from driftseg.cli.report import report
from driftseg.cli.run import evaluate, run
from driftseg.cli.several_values import SeveralValues
from driftseg.cli.train import train
from driftseg.cli.weather import weather
from driftseg.errors import InputError

app = typer.Typer(
    name="driftseg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, train, calibrate, run, evaluate, report, inspect, info):
    app.command()(command)
app.command(cls=SeveralValues)(weather)
app.add_typer(data)


@app.callback()
def main() -> None:
    """Keep a segmentation model accurate while the world drifts.

    Start with `driftseg demo`: it needs no data and shows what this is about. Then look at your
    labelled images (`data check`), train a source model on them (`train`), let it meet a drifting
    world (`run`), and look at what happened (`report`). Every command has its own --help.
    """


def entry() -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    try:
        app()
    except InputError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        sys.exit(2)
