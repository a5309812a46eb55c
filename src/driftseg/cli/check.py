"""driftseg check: tests an encoder, a method or a dataset of your own."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

Name = Annotated[
    str,
    typer.Argument(
        help="package.module:Name of your own, or a name from driftseg methods, encoders, datasets"
    ),
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="set one value, e.g. --set root=drive; repeatable")
]

app = typer.Typer(
    name="check",
    no_args_is_help=True,
    help="Test an encoder, a method or a dataset of your own.",
    rich_markup_mode=None,
)


@app.command()
def encoder(name: Name) -> None:
    """Test an encoder: four stages that run one by one, their shapes and gradients."""
    from driftseg.api.laws import check_encoder

    _tell(name, check_encoder(name))


@app.command()
def method(name: Name, change: Changes = None) -> None:
    """Test a method on a small procedural stream. It needs no data."""
    from driftseg.api.laws import check_method

    _tell(name, check_method(name, changes=change or ()))


@app.command()
def dataset(name: Name, change: Changes = None) -> None:
    """Test a dataset on some of its scenes."""
    from driftseg.api.laws import check_dataset

    _tell(name, check_dataset(name, changes=change or ()))


def _tell(name: str, findings: list) -> None:  # type: ignore[type-arg]
    console = Console()
    broken = [finding for finding in findings if not finding.holds]
    for finding in findings:
        mark = "holds " if finding.holds else "BROKEN"
        told = f": {finding.told}" if finding.told else ""
        console.print(
            f"{mark}  {finding.law}{told}", soft_wrap=True, highlight=False, markup=False,
            style=None if finding.holds else "red",
        )  # fmt: skip
    if broken:
        console.print(f"{name}: {len(broken)} of {len(findings)} laws are broken", highlight=False)
        raise typer.Exit(1)
    console.print(f"{name}: all {len(findings)} laws hold", highlight=False)
