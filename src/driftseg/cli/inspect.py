"""driftseg inspect shows a checkpoint, driftseg info shows the installation."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

import typer
from rich.console import Console

import driftseg
from driftseg.cli.options import CheckpointFile

LIBRARIES = ("torch", "numpy", "opencv-python-headless", "pydantic", "safetensors", "matplotlib")


def inspect(
    checkpoint: CheckpointFile,
    role: Annotated[
        Literal["student", "teacher", "static"] | None,
        typer.Option(help="network in a training checkpoint"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="set of weights, if the file has several"),
    ] = None,
) -> None:
    """Show the content of a checkpoint file.

    It shows format, encoder, classes, sets of weights, and whether a run can use the file as its
    checkpoint. No code in the file runs.
    """
    from driftseg.api import commands

    for line in commands.inspect(checkpoint, role=role, weights=weights).lines():
        Console().print(line, highlight=False, soft_wrap=True, markup=False)


def info() -> None:
    """Print versions, devices and threads."""
    import torch

    facts = {
        "driftseg": driftseg.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{name: _version(name) for name in LIBRARIES},
        "cuda": _cuda(),
        "threads": f"{torch.get_num_threads()} (torch)",
    }
    for name, value in facts.items():
        Console().print(f"{name:<24} {value}", highlight=False)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
