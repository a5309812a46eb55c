"""driftseg export: writes a model for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from driftseg.cli.options import CheckpointFile, Threads
from driftseg.cli.texts import parse_size


def export(
    checkpoint: CheckpointFile,
    to: Annotated[str, typer.Option(help="onnx, openvino, torch_export or huggingface")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="new file, or new folder for huggingface; default: named after the checkpoint"
        ),
    ] = None,
    adapters: Annotated[
        str | None,
        typer.Option(
            help="file of adapters, or none; default: adapters.safetensors beside the checkpoint, "
            "if there is one"
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="WIDTHxHEIGHT in pixels, the only size that the file takes; default: every size"
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Write a model for another runtime.

    The file takes RGB images from 0 to 255 and returns logits. Normalisation is included. The file
    is written only if its logits agree with those of torch.
    """
    from driftseg.api import commands
    from driftseg.api.exporting import export as write

    commands.use_threads(threads)
    pixels = None if size is None else parse_size(size)
    done = write(checkpoint, to, out, adapters=adapters, size=pixels)  # type: ignore[arg-type]
    for note in done.notes:
        _say(note)
    _say(
        f"{done.path}: {done.bytes / 1e6:.1f} MB; logits differ from torch's by at most "
        f"{done.difference:.1e} of the largest"
    )


def _say(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)
