"""driftseg methods, driftseg encoders and driftseg datasets: what a config can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from driftseg.api.listing import Kind


def methods() -> None:
    """List the methods that a config can name.

    Those of installed packages are listed, too. Name one with method.name.
    """
    _tell("methods")


def encoders() -> None:
    """List the encoders that driftseg can build.

    Those of installed packages are listed, too. Name one with model.encoder.
    """
    _tell("encoders")


def datasets() -> None:
    """List the kinds of datasets that a config can name.

    Those of installed packages are listed, too. Name one with target.kind, source.kind, ...
    """
    _tell("datasets")


def _tell(kind: Kind) -> None:
    from driftseg.api.listing import parts

    console = Console()
    listed = parts(kind)
    width = max(len(part.name) for part in listed)
    for part in listed:
        console.print(
            f"{part.name:<{width}}  {part.text}", highlight=False, soft_wrap=True, markup=False,
            style=None if part.found else "red",
        )  # fmt: skip
