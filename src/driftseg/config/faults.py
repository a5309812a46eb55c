"""Errors of a config's values in one line: what was expected, what came, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from driftseg.errors import InputError
from driftseg.parts import Pick
from driftseg.scenes.addresses import masked_text
from driftseg.settings import wrong_value

UNQUOTED = (bool, int, float, date)
"""What YAML reads from a text without quotes that looks like one of these."""
NO_SECTION = ("model_type", "model_attributes_type", "dict_type", "mapping_type")
"""Errors of pydantic for a value in the place of a section."""


def tell(error: ValidationError, values: Any, sections: Mapping[str, type[BaseModel]]) -> str:
    """The first error of a config as ``key: expected X, got Y. To fix: Z``.

    Args:
        error: of pydantic.
        values: the plain values of the config.
        sections: the settings class of each section, by its dotted key.
    """
    found = error.errors(include_url=False)
    same = [fault for fault in found if fault["loc"][:1] == found[0]["loc"][:1]]
    first = max(same, key=lambda fault: len(fault["loc"]))  # of a union, the closest member
    location = [str(part) for part in _plain_location(first["loc"], values)]
    key = ".".join(location)
    owner = sections.get(".".join(location[:-1]))
    field = None if owner is None or not key else owner.model_fields.get(location[-1])
    if first["type"] == "missing":
        return (
            f"{key}: expected a value, got none. To fix: set {key}, for example with --set "
            f"{_example(key, field)}"
        )
    if first["type"] == "value_error":  # of a validator of ours, whose text is whole
        own = first["ctx"]["error"]
        if not key:  # of the whole config: its text begins with the key
            return str(own)
        whole = isinstance(own, InputError) or "To fix: " in str(own)
        return f"{key}: {own}" if whole else f"{key}: {own}{_got(first)}"
    return masked_text(f"{key}: {wrong_value(first)}. To fix: {_advice(first, key, field)}")


def _got(fault: ErrorDetails) -> str:
    return masked_text(f" (got {fault['input']!r})")


def _advice(fault: ErrorDetails, key: str, field: FieldInfo | None) -> str:
    given = fault["input"]
    if fault["type"] == "string_type" and isinstance(given, UNQUOTED):
        return "put quotes around it, which makes it a text"
    pick = None if field is None else _pick(field)
    if pick is not None and isinstance(given, str) and fault["type"] in NO_SECTION:
        return f"write {key}.{pick.table.key}={given}"
    return f"set {key} to such a value"


def _example(key: str, field: FieldInfo | None) -> str:
    """A change that sets a missing key, as ``--set`` takes it."""
    if field is None:
        return f"{key}=VALUE"
    pick = _pick(field)
    if pick is not None:
        name = field.examples[0] if field.examples else next(iter(pick.table), "NAME")
        return f"{key}.{pick.table.key}={name}"
    if field.annotation is Path:
        return f"{key}=PATH"
    return f"{key}={'NUMBER' if field.annotation in (int, float) else 'VALUE'}"


def _pick(field: FieldInfo) -> Pick | None:
    return next((mark for mark in field.metadata if isinstance(mark, Pick)), None)


def _plain_location(location: tuple[int | str, ...], values: Any) -> list[int | str]:
    """Without the tags that pydantic adds for the members of a union.

    A tag is what the values do not hold. A missing key looks like one, but comes last and is
    written like a key.
    """
    plain: list[int | str] = []
    here = values
    for number, part in enumerate(location):
        last = number == len(location) - 1
        if _holds(here, part):
            here = here[part]
        elif not (last and isinstance(here, Mapping) and _is_key(part)):
            continue
        plain.append(part)
    return plain


def _holds(values: Any, part: int | str) -> bool:
    if isinstance(values, list):
        return isinstance(part, int) and part < len(values)
    return isinstance(values, Mapping) and part in values


def _is_key(part: int | str) -> bool:
    return isinstance(part, str) and part.isidentifier() and part[0].islower()
