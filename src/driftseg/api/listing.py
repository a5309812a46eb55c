"""The parts that a config can name: the package's own and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

from driftseg.errors import InputError
from driftseg.parts import PartTable

Kind = Literal["methods", "encoders", "datasets"]


@dataclass(frozen=True)
class Listed:
    """A part that a config can name."""

    name: str
    text: str
    """The first line of its docstring, or the reason why it cannot be imported."""
    found: bool = True
    """Whether it can be imported."""
    needs: tuple[str, ...] = ()
    """Settings that it needs besides its name: ``learner``, ``source``, ``calibration``."""


def parts(kind: Kind) -> list[Listed]:
    """All parts of a kind, with those that cannot be imported."""
    if kind == "methods":
        from driftseg.methods.table import METHODS

        return [
            replace(part, needs=needs_of(METHODS.find(part.name))) if part.found else part
            for part in _of_table(METHODS)
        ]
    if kind == "datasets":
        from driftseg.scenes.datasets import DATASETS

        return [*_of_table(DATASETS)]
    from driftseg.models.encoders import ENCODERS, OTHERS

    own = [Listed(name, first_line(make)) for name, make in ENCODERS.items()]
    return own + [listed for listed in _of_table(OTHERS) if listed.name not in ENCODERS]


def _of_table(table: PartTable[Any]) -> Iterator[Listed]:
    for name in table.names():
        try:
            yield Listed(name, first_line(table.find(name)))
        except InputError as error:
            yield Listed(name, str(error), found=False)


def needs_of(method: Any) -> tuple[str, ...]:
    """The settings that a method needs besides its name.

    Args:
        method: its settings class.
    """
    fields = method.model_fields
    missing = [key for key, field in fields.items() if key != "name" and field.is_required()]
    if missing:
        return tuple(f"method.{key}" for key in missing)
    settings = method.model_validate({"name": get_args(fields["name"].annotation)[0]})
    source = ("source",) if settings.needs().source else ()
    return (*source, "calibration") if settings.needs_calibration else source


def first_line(part: Any) -> str:
    """The first line of a part's docstring, with the sizes of an encoder that has some."""
    sizes = ""
    if isinstance(part, partial):
        size = part.args[0]
        depths, widths = (" ".join(map(str, each)) for each in (size.depths, size.channels))
        part, sizes = part.func, f"; {depths} blocks, {widths} channels"
    lines = (part.__doc__ or "").strip().splitlines()
    text = lines[0].strip() if lines else "(no docstring)"
    return text.rstrip(".") + sizes if sizes else text
