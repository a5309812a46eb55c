"""driftseg methods, driftseg encoders and driftseg datasets: the names for a config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from driftseg.api.listing import Kind


def methods() -> None:
    """List the methods that a config can name.

    Methods of installed packages are listed, too. Set method.name to one of them. A method may
    need more settings than its name; they are in brackets.
    """
    _tell("methods")


def encoders() -> None:
    """List the encoders that driftseg can build.

    Encoders of installed packages are listed, too. Set model.encoder to one of them.
    """
    _tell("encoders")


def datasets() -> None:
    """List the kinds of datasets that a config can name.

    Datasets of installed packages are listed, too. Set target.kind or source.kind to one of them.
    """
    _tell("datasets")


def _tell(kind: Kind) -> None:
    from driftseg.api.listing import parts

    console = Console()
    listed = parts(kind)
    width = max(len(part.name) for part in listed)
    for part in listed:
        needs = f" [needs {', '.join(part.needs)}]" if part.needs else ""
        console.print(
            f"{part.name:<{width}}  {part.text}{needs}",
            highlight=False, soft_wrap=True, markup=False,
            style=None if part.found else "red",
        )  # fmt: skip
