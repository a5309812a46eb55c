"""driftseg export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from driftseg.cli.drive import Threads, size_of


def export(
    checkpoint: Annotated[
        str, typer.Argument(help="file, Hugging Face folder or hub id, as for adapt")
    ],
    to: Annotated[str, typer.Option(help="onnx, openvino, torch_export or huggingface")],
    out: Annotated[
        Path | None,
        typer.Option(help="a new file, or folder for huggingface; default: by its name"),
    ] = None,
    adapters: Annotated[
        str | None,
        typer.Option(
            help="file of adapters; default: adapters.safetensors beside the checkpoint, if it is "
            "there; none leaves it out"
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="WIDTHxHEIGHT that the file serves alone; default: every size"),
    ] = None,
    threads: Threads = None,
) -> None:
    """Write a model for another runtime.

    The file takes RGB images of 0 to 255 and gives logits; normalisation is inside. It is written
    only if its logits are those of torch.
    """
    from driftseg.api import commands
    from driftseg.api.exporting import export as write

    commands.use_threads(threads)
    done = write(checkpoint, to, out, adapters=adapters, size=size_of(size))  # type: ignore[arg-type]
    for note in done.notes:
        _say(note)
    _say(
        f"{done.path}: {done.bytes / 1e6:.1f} MB; logits differ from torch's by at most "
        f"{done.difference:.1e} of the largest"
    )


def _say(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)
