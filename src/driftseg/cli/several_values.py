"""Options that take several values: ``--rain 25 50``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

SEVERAL: dict[str, str | None] = {"--rain": None, "--fog": None, "--night": "1", "--snow": "1"}
"""Options that take several values, and their value if none is given."""


class SeveralValues(TyperCommand):
    """A command whose options in `SEVERAL` take any number of values: ``--rain 25 50``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeats such an option before each of its values, as typer expects."""
        return super().parse_args(ctx, expand(args))


def expand(arguments: Sequence[str]) -> list[str]:
    """``--rain 25 50`` becomes ``--rain 25 --rain 50``, and ``--night`` becomes ``--night 1``."""
    expanded: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        if name not in SEVERAL:
            expanded.append(argument)
            continue
        values = [value] if equals else []
        while rest and is_number(rest[0]):
            values.append(rest.pop(0))
        default = SEVERAL[name]
        if not values and default is not None:
            values = [default]
        # A missing value gets no default here: typer reports it.
        expanded += [part for value in values for part in (name, value)] or [name]
    return expanded


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
