"""The driftseg command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from driftseg.cli.train import train
from driftseg.errors import InputError

app = typer.Typer(
    name="driftseg",
    help="Keep a segmentation model accurate while the world drifts.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(train)


@app.callback()
def main() -> None:
    """Keep a segmentation model accurate while the world drifts."""


def entry() -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    try:
        app()
    except InputError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
