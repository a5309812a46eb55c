"""driftseg inspect and driftseg info."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

import typer
from rich.console import Console

import driftseg

LIBRARIES = ("torch", "numpy", "opencv-python-headless", "pydantic", "safetensors", "matplotlib")


def inspect(
    checkpoint: Annotated[str, typer.Argument(help="a file, a Hugging Face folder or hub id")],
    role: Annotated[
        Literal["student", "teacher", "static"] | None,
        typer.Option(help="which network of a training checkpoint"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="which set of weights, where the file holds several"),
    ] = None,
) -> None:
    """Say what a checkpoint file holds.

    Format, encoder, classes, sets of weights, and whether a run can take it as its checkpoint. No
    code of the file runs.
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
        "threads": f"{torch.get_num_threads()} of torch",
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
