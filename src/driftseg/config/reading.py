"""Reads a YAML file and --set values into a checked config."""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from driftseg.config.faults import UNQUOTED, tell
from driftseg.config.keys import check_command, nearest
from driftseg.config.loading import load
from driftseg.errors import InputError, commas
from driftseg.parts import Pick
from driftseg.scenes.dataset import DatasetSettings

Config = TypeVar("Config", bound=BaseModel)

METHODS = ("method", "method.learner", "method.learner.learner")
"""Sections whose part is named by ``name``. All others have ``kind``."""
KEPT_OF_ADAPTERS = ("stages", "dropout", "factor")
"""Settings that stay when ``adapters.kind`` changes, because every kind has them."""


def read_config(
    path: Path,
    kind: type[Config],
    *,
    changes: Sequence[str] = (),
    data: Path | None = None,
) -> Config:
    """Reads, changes and checks a config.

    Args:
        path: YAML file.
        kind: the config class it must fit.
        changes: ``key.sub=value`` each; the value is YAML.
        data: folder of every data section that takes one and names none.

    Raises:
        InputError: the file, a key or a value is wrong.
    """
    return check(load(path), kind, where=str(path), changes=changes, data=data)


def check(
    values: Mapping[str, Any],
    kind: type[Config],
    *,
    where: str,
    changes: Sequence[str] = (),
    data: Path | None = None,
) -> Config:
    """A checked config from plain values, which stay as they are.

    Args:
        values: by key.
        kind: the config class they must fit.
        where: what to call them in an error.
        changes: ``key.sub=value`` each; the value is YAML.
        data: folder of every data section that takes one and names none.

    Raises:
        InputError: a key or a value is wrong, or there is no such part.
        OwnCodeError: a part of the user's own cannot be imported.
    """
    check_command(values, kind.__name__, where)
    if changes or data is not None:
        changed = copy.deepcopy(dict(values))
        for change in changes:
            apply_change(changed, change, kind)
        if data is not None:
            _set_root(changed, kind, data, where=where)
        values = changed
    _check_keys(values, kind, where)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        classes = {".".join(path): found for path, _, found in _sections(values, kind, (), where)}
        raise InputError(f"{where}: {tell(error, values, classes)}") from None


def apply_change(values: dict[str, Any], change: str, kind: type[BaseModel] | None = None) -> None:
    """Sets one dotted key of values for a config class: ``method.learning_rate=3e-5``.

    Another method, kind of adapters or kind of data has other settings. So a change of ``name`` or
    ``kind`` drops the settings before it. What a method trains stays if the new method has that
    setting. The stages, dropout and factor of adapters stay, too. A setting that is text takes
    what was typed: ``name=5`` is the name "5". ``method=tent`` means ``method.name=tent``.
    """
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise InputError(
            f"--set: expected key=value, got {change!r}. To fix: write for example --set seed=1"
        )
    key = key.strip()
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(
            f"--set {change}: expected a YAML value, got {text!r}. To fix: put quotes around it"
        ) from None
    if key in METHODS and isinstance(value, str):
        key += ".name"
    *parents, last = key.split(".")
    here: Any = values
    for parent in parents:
        here = _step(here, parent, change)
        if not isinstance(here, dict | list):
            raise InputError(
                f"--set {change}: expected a section before the last dot, got {parent}, which is a "
                f"single value. To fix: set {parent} itself"
            )
    if isinstance(value, UNQUOTED) and kind is not None and _is_text(values, kind, parents, last):
        value = text.strip()
    if isinstance(here, list):
        here[_position(here, last, change)] = value
    else:
        section = ".".join(parents)
        says = "name" if section in METHODS else "kind"
        if last == says and here.get(last) not in (None, value):
            kept = _kept(section, here, value, kind)
            here.clear()
            here.update(kept)
        here[last] = value


def _is_text(values: Any, kind: type[BaseModel], parents: Sequence[str], last: str) -> bool:
    """Whether the setting at this place is text and no number, as far as its section is known."""
    try:
        for path, _, section in _sections(values, kind, (), "config"):
            if path == tuple(parents) and last in section.model_fields:
                options = {*_options(section.model_fields[last].annotation)}
                return bool(options & {str, Path}) and not options & {int, float, bool}
    except InputError:  # of another section, which a later change may mend
        return False
    return False


def _kept(
    section: str, old: Mapping[str, Any], name: Any, kind: type[BaseModel] | None
) -> dict[str, Any]:
    """What another kind of thing keeps of the old one's settings."""
    if section == "adapters":
        return {key: old[key] for key in KEPT_OF_ADAPTERS if key in old}
    new = None
    if section in METHODS and kind is not None and "method" in kind.model_fields:
        pick = next(m for m in kind.model_fields["method"].metadata if isinstance(m, Pick))
        try:
            new = _as_section(pick.section({"name": name}, where="method.name"))
        except InputError:  # OwnCodeError keeps the traceback of the user's code
            raise
        except ValueError as error:
            raise InputError(f"{section}: {error}") from None
    learner = old.get("learner")
    train = old.get("train", learner.get("train") if isinstance(learner, Mapping) else None)
    return {"train": train} if new and train and "train" in new.model_fields else {}


def _step(here: Any, key: str, change: str) -> Any:
    if isinstance(here, list):
        return here[_position(here, key, change)]
    if not isinstance(here, dict):
        return None
    if here.get(key) is None:
        here[key] = {}
    return here[key]


def _position(here: list[Any], key: str, change: str) -> int:
    if not key.isdigit() or int(key) >= len(here):
        raise InputError(
            f"--set {change}: expected a position from 0 to {len(here) - 1} in the list, got "
            f"{key}. To fix: take one of these positions"
        )
    return int(key)


def check_data_is_used(
    path: Path, kind: type[BaseModel], *, changes: Sequence[str], data: Path
) -> None:
    """Refuses a ``--data`` that changes nothing.

    Raises:
        InputError: no data section that takes a folder lacks one.
    """
    values, where = load(path), str(path)
    check_command(values, kind.__name__, where)
    for change in changes:
        apply_change(values, change, kind)
    if not _set_root(values, kind, data, where=where):
        raise InputError(
            f"--data {data}: expected a section of {path} that takes a folder and has no root, got "
            "none. To fix: leave out --data, or set the root of a section, as in --set "
            f"target.root={data}"
        )


def _set_root(values: Any, kind: Any, data: Path, *, where: str) -> bool:
    """Whether a section took the folder."""
    used = False
    for _, section, found in _sections(values, kind, (), where):
        if issubclass(found, DatasetSettings) and found.takes_folder and not section.get("root"):
            section["root"] = str(data)
            used = True
    return used


def _check_keys(values: Any, kind: Any, where: str) -> None:
    """Names the nearest known key for every key that no section has."""
    for path, section, found in _sections(values, kind, (), where):
        known = found.model_fields
        for key in section:
            if key not in known:
                near = nearest(str(key), known)
                meant = f"rename it (did you mean {'.'.join((*path, near or ''))!r}?)"
                raise InputError(
                    f"{where}: expected a known key, got {'.'.join((*path, str(key)))!r}. To fix: "
                    + (meant if near else f"take one of {commas(sorted(known))}")
                )


def _sections(
    values: Any, kind: Any, path: tuple[str, ...], where: str
) -> Iterator[tuple[tuple[str, ...], Any, type[BaseModel]]]:
    """Every section within plain values: where it stands, its values, and its settings class.

    Raises:
        InputError: a section names a part that there is not, or that cannot be imported.
    """
    if isinstance(values, list):
        item = _item_of(kind, list, 0)
        for position, value in enumerate(values):
            yield from _sections(value, item, (*path, str(position)), where)
    elif isinstance(values, Mapping):
        section = _section_of(kind, values, (*path,), where)
        if section is not None:
            yield path, values, section
        for key, value in values.items():
            if section is None:
                inner = _item_of(kind, dict, 1)
            elif key in section.model_fields:
                field = section.model_fields[key]
                marks = [mark for mark in field.metadata if isinstance(mark, Pick)]
                inner = typing.Annotated[field.annotation, marks[0]] if marks else field.annotation
            else:
                continue
            yield from _sections(value, inner, (*path, str(key)), where)


def _section_of(
    kind: Any, values: Any, path: tuple[str, ...] = (), where: str = "config"
) -> type[BaseModel] | None:
    """The section class that fits: by a table of parts, or by its literal first field."""
    options = list(_options(kind))
    picks = [option for option in options if isinstance(option, Pick)]
    if picks and isinstance(values, Mapping):
        at, key = ".".join(path), ".".join((*path, picks[0].table.key))
        try:
            return _as_section(picks[0].section(values, where=f"{where}: {key}"))
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{where}: {at}: {error}") from None
    sections = [option for option in options if _is_section(option)]
    if len(sections) <= 1 or not isinstance(values, Mapping):
        return sections[0] if sections else None
    for option in sections:
        for name in ("kind", "name"):
            field = option.model_fields.get(name)
            if field is not None and values.get(name) in typing.get_args(field.annotation):
                return _as_section(option)
    return None


def _as_section(found: Any) -> type[BaseModel]:
    return typing.cast(type[BaseModel], found)


def _item_of(kind: Any, container: type, argument: int) -> Any:
    """What a list holds, or a dictionary's values."""
    for option in _options(kind):
        if typing.get_origin(option) is container:
            return typing.get_args(option)[argument]
    return None


def _options(kind: Any) -> Iterator[Any]:
    """The members of a union, and what chooses among parts."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        inner, *marks = typing.get_args(kind)
        yield from (mark for mark in marks if isinstance(mark, Pick))
        yield from _options(inner)
    elif origin in (typing.Union, types.UnionType):
        for part in typing.get_args(kind):
            yield from _options(part)
    else:
        yield kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
