"""driftseg config: shows a config, its changes from the defaults, and the schema."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer
import yaml

from driftseg.cli.options import Changes, ConfigFile, DataFolder

app = typer.Typer(
    name="config",
    no_args_is_help=True,
    help="Show a config, its changes from the defaults, or the schema.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def show(config: ConfigFile, change: Changes = None, data: DataFolder = None) -> None:
    """Print a config with all its defaults, as YAML.

    The config is of a run or of a training.
    """
    from driftseg.api import configs

    values = configs.resolved(config, change or (), data)
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)


@app.command()
def diff(config: ConfigFile, change: Changes = None, data: DataFolder = None) -> None:
    """Print the values that differ from the defaults, one per line.

    A line is: key: value (default). The config is of a run or of a training.
    """
    from driftseg.api import configs

    for each in configs.different(config, change or (), data):
        default = "required" if each.required else _short(each.default)
        typer.echo(f"{each.key}: {_short(each.value)} ({default})")


@app.command()
def schema(
    command: Annotated[
        Literal["run", "train"], typer.Argument(help="the command that the config is for")
    ],
) -> None:
    """Print the JSON schema of a config, for editors that check and complete YAML."""
    from driftseg.api import configs

    typer.echo(json.dumps(configs.schema(command), indent=1))


def _short(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("...\n").strip()
