"""driftseg examples: configs that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def examples(
    names: Annotated[
        list[str] | None, typer.Argument(help="examples to copy; default: all")
    ] = None,
    copy: Annotated[Path | None, typer.Option(help="folder to copy the examples to")] = None,
) -> None:
    """List the example configs, or copy them.

    `driftseg examples --copy examples` copies all. Then `driftseg run examples/town_storm.yaml`
    runs one.
    """
    from driftseg.api import examples as api
    from driftseg.errors import InputError

    console = Console()
    if copy is None:
        if names:
            raise InputError(
                f"{names[0]}: expected a folder to copy the example to, got none. To fix: add "
                "--copy FOLDER"
            )
        listed = api.examples()
        width = max(len(example.name) for example in listed)
        for example in listed:
            console.print(
                f"{example.name:<{width}}  {example.text}", highlight=False, soft_wrap=True,
                markup=False,
            )  # fmt: skip
        return
    for path in api.copy_examples(copy, names or ()):
        console.print(str(path), highlight=False, soft_wrap=True, markup=False)
