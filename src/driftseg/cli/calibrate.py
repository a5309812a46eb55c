"""driftseg calibrate: calibration of detector and confidence on held-out source frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from driftseg.cli.options import Changes, Checkpoint, ConfigFile, DataFolder
from driftseg.cli.run import with_checkpoint
from driftseg.errors import InputError


def calibrate(
    config: ConfigFile,
    change: Changes = None,
    data: DataFolder = None,
    checkpoint: Checkpoint = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
) -> None:
    """Calibrate drift detector and confidence to a model.

    Uses the config's calibration frames (held-out source frames), without weather and in rendered
    rain. A run does the same by itself. This command shows the result.
    """
    from driftseg.api import commands, configs

    changes = with_checkpoint(change, checkpoint)
    configs.check_data(config, "run", changes, data)
    console = Console()
    with console.status("calibrating on held-out source frames ..."):
        values = commands.calibrate(config, changes=changes, data=data)
    told = (values.pop("checkpoint"), *values.pop("notes"))
    console.print(_table(values), highlight=False)
    for line in told:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if out is not None:
        try:
            out.write_text(json.dumps(commands.plain(values), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"--out {out}: expected a file that can be written, got an error "
                f"({error.strerror}). To fix: name a file in a folder that you may write to"
            ) from None
        console.print(f"written to {out}", soft_wrap=True, highlight=False)


def _table(values: dict[str, object]) -> Table:
    table = Table(title="calibrated on held-out source frames")
    table.add_column("setting")
    table.add_column("value", justify="right")
    detector = values.get("detector")
    if isinstance(detector, dict):
        for name, value in detector.items():
            if name != "signals":
                told = f"{value:.4g}" if isinstance(value, float) else str(value)
                table.add_row(f"detector: {name.replace('_', ' ')}", told)
        for name, value in detector["signals"].items():
            table.add_row(f"mean signal, {name}", f"{value:.3f}")
    confidence = values["confidence"]
    assert isinstance(confidence, dict)
    for name, value in confidence.items():
        table.add_row(f"confidence {name}", "-" if value is None else f"{value:.3f}")
    return table
