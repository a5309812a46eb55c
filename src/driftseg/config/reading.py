"""From a YAML file and --set values to a checked config, with errors a person can act on."""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from driftseg.config.keys import check_command, nearest
from driftseg.errors import InputError
from driftseg.parts import Pick
from driftseg.scenes.addresses import masked_text
from driftseg.scenes.dataset import DatasetSettings

Config = TypeVar("Config", bound=BaseModel)

METHODS = ("method", "method.learner")
"""Sections of which ``name`` says what they are; of others it is ``kind``."""
UNQUOTED = (bool, int, float, date)
"""What YAML makes of a text without quotes that looks like one of these."""
KEPT_OF_ADAPTERS = ("stages", "dropout", "factor")
"""What stays when ``adapters.kind`` changes: every kind has it, and means the same by it."""


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
        InputError: the file, a key or a value is wrong; one line names it and the way out.
    """
    return check(load(path), kind, where=str(path), changes=changes, data=data)


def load(path: Path) -> dict[str, Any]:
    """The plain values of a YAML file.

    Raises:
        InputError: it is not there, cannot be read, or holds no keys and values.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such config file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: wanted keys and values, came {type(loaded).__name__}")
    return loaded


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
        found = error.errors(include_url=False)
        same = [e for e in found if e["loc"][:1] == found[0]["loc"][:1]]
        first = max(same, key=lambda e: len(e["loc"]))  # of a union, the member that came closest
        key = ".".join(str(part) for part in _plain_location(first["loc"], values))
        given = "" if first["type"] == "missing" else masked_text(f" (came {first['input']!r})")
        if first["type"] == "value_error":  # of a validator of ours, whose text is whole
            own = first["ctx"]["error"]
            given = "" if isinstance(own, InputError) else given
            raise InputError(f"{where}: {key}: {own}{given}") from None
        if first["type"] == "string_type" and isinstance(first["input"], UNQUOTED):
            given += "; quotes around it make it a text"
        raise InputError(f"{where}: {key}: {first['msg']}{given}") from None


def apply_change(values: dict[str, Any], change: str, kind: type[BaseModel] | None = None) -> None:
    """Sets one dotted key of values for a config class: ``method.learning_rate=3e-5``.

    Another method, kind of adapters or kind of data has other settings, so a change of ``name`` or
    ``kind`` drops the ones before. What a method trains stays, where the new one can be told;
    so do the adapters' stages, dropout and factor. A setting that is text takes what was typed:
    ``name=5`` is the name "5".
    """
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise InputError(f"--set wants key=value, came {change!r}")
    *parents, last = key.strip().split(".")
    here: Any = values
    for parent in parents:
        here = _step(here, parent, change)
        if not isinstance(here, dict | list):
            raise InputError(f"--set {change}: {parent} has no keys of its own")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--set {change}: {text!r} is not a YAML value") from None
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
            raise InputError(f"method.name: {error}") from None
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
        raise InputError(f"--set {change}: {key} is not a position in a list of {len(here)}")
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
            f"--data {data}: no section of {path} uses it; it is for datasets in folders whose "
            "root is not set"
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
                hint = f"did you mean {near!r}?" if near else f"known here: {sorted(known)}"
                raise InputError(f"{where}: unknown key {'.'.join((*path, str(key)))!r}; {hint}")


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


def _plain_location(location: tuple[int | str, ...], values: Any) -> list[int | str]:
    """Without the tags that pydantic adds for the members of a union.

    A tag is what the values do not hold; a key that is missing looks like one, but comes last
    and is written like a key.
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
