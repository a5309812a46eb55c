"""Arguments and options that several commands take, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(help="YAML file; driftseg examples lists some")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="set one value, e.g. --set seed=1; repeatable. A new method.name drops the "
        "settings of the old method, except train",
    ),
]
DataFolder = Annotated[
    Path | None, typer.Option(help="folder of the dataset, for sections that have no root")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(help="file, Hugging Face folder or hub id, in place of the config's checkpoint"),
]
CheckpointFile = Annotated[str, typer.Argument(help="file, Hugging Face folder or hub id")]
RunFolder = Annotated[Path, typer.Argument(help="folder of a run", metavar="RUN")]
RunsAndFilters = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="folders of runs, or of many runs, and filters that must all hold: method=dacs,tent "
        "tag=x; a folder of runs gives its finished runs",
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: torch's choice")]
Address = Annotated[
    str | None,
    typer.Option(help="HOST:PORT of a Ray cluster, or auto; default: this machine alone"),
]
