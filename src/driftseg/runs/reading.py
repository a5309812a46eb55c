"""From a YAML file and --set values to a checked config, with errors a person can act on."""

from __future__ import annotations

import contextlib
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from driftseg.errors import InputError
from driftseg.runs.data_config import LAYOUT_KINDS
from driftseg.runs.learner_config import Method

Config = TypeVar("Config", bound=BaseModel)

DATA_KEYS = ("data", "validation", "source", "target", "evaluation", "evaluations")
"""Settings that hold a data section."""
METHODS = ("method", "method.learner")
"""Sections of which ``name`` says what they are; of others it is ``kind``."""
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
        data: folder of every section of a dataset's layout that names none.

    Raises:
        InputError: the file, a key or a value is wrong; one line names it and the way out.
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
    for change in changes:
        apply_change(loaded, change)
    if data is not None:
        _set_root(loaded, data)
    return check(loaded, kind, where=str(path))


def check(values: Mapping[str, Any], kind: type[Config], *, where: str) -> Config:
    """A checked config from plain values."""
    _check_keys(values, kind, (), where)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        same = [e for e in found if e["loc"][:1] == found[0]["loc"][:1]]
        first = max(same, key=lambda e: len(e["loc"]))  # of a union, the member that came closest
        key = ".".join(str(part) for part in _plain_location(first["loc"]))
        given = "" if first["type"] == "missing" else f" (came {first['input']!r})"
        raise InputError(f"{where}: {key}: {first['msg']}{given}") from None


def apply_change(values: dict[str, Any], change: str) -> None:
    """Sets one dotted key: ``method.learning_rate=3e-5``.

    Another method, kind of adapters or kind of data has other settings, so a change of ``name`` or
    ``kind`` drops the ones before. What a method trains stays, where the new one can be told;
    so do the adapters' stages, dropout and factor.
    """
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise InputError(f"--set wants key=value, came {change!r}")
    *parents, last = key.strip().split(".")
    here: Any = values
    for parent in parents:
        here = _step(here, parent, change)
        if here is None:
            raise InputError(f"--set {change}: {parent} has no keys of its own")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--set {change}: {text!r} is not a YAML value") from None
    if isinstance(value, str):  # YAML 1.1 takes 3e-5 for text
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(here, list):
        here[_position(here, last, change)] = value
    else:
        section = ".".join(parents)
        says = "name" if section in METHODS else "kind"
        if last == says and here.get(last) not in (None, value):
            kept = _kept(section, here, value)
            here.clear()
            here.update(kept)
        here[last] = value


def _kept(section: str, old: Mapping[str, Any], name: Any) -> dict[str, Any]:
    """What another kind of thing keeps of the old one's settings."""
    if section == "adapters":
        return {key: old[key] for key in KEPT_OF_ADAPTERS if key in old}
    new = _section_of(Method, {"name": name}) if section in METHODS else None
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


def _set_root(values: Any, data: Path) -> None:
    if isinstance(values, dict):
        if values.get("kind") in LAYOUT_KINDS and values.get("root") is None:
            values["root"] = str(data)
        for value in values.values():
            _set_root(value, data)
    elif isinstance(values, list):
        for value in values:
            _set_root(value, data)


def _check_keys(values: Any, kind: Any, path: tuple[str, ...], where: str) -> None:
    """Names the nearest known key for every key that no section has."""
    section = _section_of(kind, values)
    if section is None or not isinstance(values, Mapping):
        item = _item_of(kind)
        if item is not None and isinstance(values, list):
            for position, value in enumerate(values):
                _check_keys(value, item, (*path, str(position)), where)
        return
    known = section.model_fields
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {sorted(known)}"
            raise InputError(f"{where}: unknown key {'.'.join((*path, str(key)))!r}; {hint}")
        _check_keys(value, known[key].annotation, (*path, str(key)), where)


def _section_of(kind: Any, values: Any) -> type[BaseModel] | None:
    """The section class that fits, chosen by its literal first field among several."""
    options = [option for option in _options(kind) if _is_section(option)]
    if len(options) <= 1 or not isinstance(values, Mapping):
        return options[0] if options else None
    for option in options:
        for name in ("kind", "name"):
            field = option.model_fields.get(name)
            if field is not None and values.get(name) in typing.get_args(field.annotation):
                return typing.cast(type[BaseModel], option)
    return None


def _item_of(kind: Any) -> Any:
    for option in _options(kind):
        if typing.get_origin(option) is list:
            return typing.get_args(option)[0]
    return None


def _options(kind: Any) -> list[Any]:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _options(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return [leaf for part in typing.get_args(kind) for leaf in _options(part)]
    return [kind]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _plain_location(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without the tags that pydantic adds for the members of a union."""
    kinds = {"town", "folder", "weather_set", "images", "video", "camera", *LAYOUT_KINDS}
    methods = {name for option in _options(Method) for name in _names_of(option)}
    members = {"Preset", "list[Domain]", "CameraSettings"}
    plain: list[int | str] = []
    for number, part in enumerate(location):
        # ``camera`` is a kind of data and a setting, ``bank`` a method and one of lae's, so what
        # stands before it decides.
        after = location[max(0, number - 2) : number]
        tag = part in kinds and any(key in DATA_KEYS for key in after)
        tag |= part in methods and after[-1:] in (("method",), ("learner",))
        if not (tag or part in members or "literal[" in str(part)):
            plain.append(part)
    return tuple(plain)


def _names_of(section: type[BaseModel]) -> tuple[str, ...]:
    return typing.get_args(section.model_fields["name"].annotation)
