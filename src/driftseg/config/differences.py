"""The values of a config that are not its defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

NAMING = ("kind", "name", "preset")
"""Keys that say which part a section is. They are always told, without a default."""


@dataclass(frozen=True)
class Difference:
    """One key whose value is not the default."""

    key: str
    """The dotted key: ``method.learning_rate``."""
    value: Any
    default: Any
    required: bool
    """Whether the key has no default."""


def differences(config: BaseModel) -> list[Difference]:
    """Every key of a config whose value is not the default, in the config's order."""
    return [*_of_section(config, None, "")]


def _of_section(section: BaseModel, base: BaseModel | None, prefix: str) -> Iterator[Difference]:
    """Differences from another section of the same class, or from the defaults of the class."""
    for name, field in type(section).model_fields.items():
        value, default = getattr(section, name), field.get_default(call_default_factory=True)
        if base is not None:
            default = getattr(base, name)
        names_it = base is None and prefix != "" and name in NAMING
        if names_it and isinstance(value, str):
            default = PydanticUndefined
        yield from _of_value(value, default, f"{prefix}{name}")


def _of_value(value: Any, default: Any, key: str) -> Iterator[Difference]:
    if value == default and type(value) is type(default):
        return
    inner: Mapping[Any, Any] = {}
    if isinstance(value, BaseModel):
        same = type(value) is type(default)
        found = [*_of_section(value, default if same else None, f"{key}.")]
        if found:
            yield from found
            return
    elif isinstance(value, Mapping):
        inner = value
    elif isinstance(value, list | tuple):
        inner = dict(enumerate(value))
    if any(isinstance(each, BaseModel) for each in inner.values()):
        for name, each in inner.items():
            yield from _of_value(each, PydanticUndefined, f"{key}.{name}")
        return
    required = default is PydanticUndefined
    yield Difference(key, _plain(value), None if required else _plain(default), required)


def _plain(value: Any) -> Any:
    """As YAML has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, PurePath) else value
