"""Your own classes: names, colours, and their ids in label files.

A section of a config and a file ``classes.yaml`` have the same keys.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from driftseg.errors import InputError, commas
from driftseg.labels.spaces import (
    IGNORE,
    LABEL_SPACES,
    LabelSpace,
    palette,
    space_of,
)
from driftseg.labels.tables import IdTable
from driftseg.settings import Settings, shown, wrong_value

FILE = "classes.yaml"
"""Name of the file of classes beside label files."""
MOST = 255
"""Largest number of classes in 8 bits beside `IGNORE`."""

Level = Annotated[int, Field(ge=0, le=255)]


def _unset(value: object) -> bool:
    """Whether records leave out an optional setting, so hashes of old configs stay the same."""
    return value is None


class ClassSettings(Settings):
    """One class."""

    name: Annotated[str, Field(min_length=1)]
    colour: tuple[Level, Level, Level] | None = None
    """Red, green, blue from 0 to 255; null takes a colour of a fixed palette."""
    ids: Annotated[list[Level], Field(min_length=1)] | None = None
    """Ids of this class in label files; null is the class's position in the list, from 0."""


ClassList = list[str | ClassSettings]
Stated = ClassList | str
"""A list of classes, the name of a preset (camvid11), or the path of a YAML file."""


class ClassesSettings(Settings):
    """The classes, and their ids in label files."""

    classes: Stated | None = Field(default=None, exclude_if=_unset)
    """A list of names, or of {name, colour, ids}; a preset's name; or the path of a YAML file with
    the same keys."""
    ignored_ids: list[Level] | None = Field(default=None, exclude_if=_unset)
    """Ids in label files without a class; 255 always belongs to them."""
    ground: list[str] | None = Field(default=None, exclude_if=_unset)
    """Classes in the road plane, for weather; null takes road, sidewalk and similar names."""
    sky: list[str] | None = Field(default=None, exclude_if=_unset)
    """Classes at infinite distance, for weather; null takes sky."""

    @field_validator("classes")
    @classmethod
    def _checked(cls, stated: Stated | None) -> Stated | None:
        if isinstance(stated, list):
            _check_classes(_listed(stated))
        return stated

    @model_validator(mode="after")
    def _fits(self) -> ClassesSettings:
        others = {"ignored_ids": self.ignored_ids, "ground": self.ground, "sky": self.sky}
        given = [key for key, value in others.items() if value is not None]
        if given and self.classes is None:
            raise ValueError(
                f"expected classes beside {' and '.join(given)}, got none. To fix: set classes, too"
            )
        if isinstance(self.classes, list):
            _check_beside(self, _listed(self.classes))
        space = getattr(self, "label_space", None)
        if self.classes is not None and space != _default(self, "label_space"):
            raise ValueError(
                "expected classes or label_space, got both. To fix: leave out one of them"
            )
        return self

    def stated_classes(self, where: str = "classes") -> Classes | None:
        """The classes; None if none are stated.

        Args:
            where: the setting, for messages.

        Raises:
            InputError: there is no such preset or file, or the file is not valid.
        """
        return None if self.classes is None else _resolved(self, where)


@dataclass(frozen=True)
class Classes:
    """A label space, and its ids in label files."""

    space: LabelSpace
    ids: IdTable | None = None
    """From ids in files to ids of the label space or 255; None if they are the same."""

    def plain(self) -> dict[str, Any]:
        """Plain values for records; `read_plain` reads them."""
        space = self.space
        rows: list[dict[str, Any]] = [
            {"name": name, "colour": list(colour)}
            for name, colour in zip(space.classes, space.colours, strict=True)
        ]
        told: dict[str, Any] = {"classes": rows}
        if self.ids is not None:
            for number, row in enumerate(rows):
                row["ids"] = [key for key, value in self.ids.items() if value == number]
            told["ignored_ids"] = [key for key, value in self.ids.items() if value == IGNORE]
        for key, names in (("ground", space.ground), ("sky", space.sky)):
            if names is not None:
                told[key] = list(names)
        return told


def _unknown(place: Sequence[int | str]) -> str:
    """Message with the nearest known key."""
    key, known = str(place[-1]), ClassSettings if len(place) > 1 else ClassesSettings
    near = difflib.get_close_matches(key, known.model_fields, n=1, cutoff=0.4)
    at = [str(part) for part in place[:-1] if isinstance(part, int) or part == "classes"]
    meant = f"rename it (did you mean {'.'.join((*at, *near))!r}?)"
    hint = meant if near else f"take one of {commas(sorted(known.model_fields))}"
    return f"expected a known key, got {'.'.join((*at, key))!r}. To fix: {hint}"


def read_plain(values: Mapping[str, Any], where: str) -> Classes:
    """Classes from plain values with the keys of `ClassesSettings`.

    Raises:
        InputError: they are not valid; ``where`` names their file.
    """
    try:
        settings = ClassesSettings.model_validate(values)
    except ValidationError as error:
        first = max(error.errors(include_url=False), key=lambda e: len(e["loc"]))
        key = ".".join(str(part) for part in first["loc"] if str(part).isidentifier() or
                       isinstance(part, int))  # fmt: skip
        if first["type"] == "extra_forbidden":
            raise InputError(f"{where}: {_unknown(first['loc'])}") from None
        if first["type"] == "value_error":
            text = str(first["ctx"]["error"])
        else:
            text = f"{wrong_value(first)}. To fix: set it to such a value"
        raise InputError(f"{where}: {f'{key}: ' if key else ''}{text}") from None
    if settings.classes is None:
        raise InputError(
            f"{where}: expected a list of classes under the key classes, got none. To fix: add the "
            "key classes"
        )
    if isinstance(settings.classes, str) and settings.classes not in LABEL_SPACES:
        raise InputError(
            f"{where}: classes: expected a list of classes or one of {commas(LABEL_SPACES)}, got "
            f"{settings.classes!r}. To fix: set classes to one of these"
        )
    return _resolved(settings, where)


def read_classes(path: Path) -> Classes:
    """Classes from a YAML file: a list of them, or the keys of `ClassesSettings`.

    Raises:
        InputError: there is no such file, or it is not valid.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected a file of classes, got a path where there is none. To fix: check "
            "the path"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected a readable file of classes, got an error ({error}). To fix: check "
            "the file and its permissions"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(
            f"{path}: expected YAML, got {' '.join(str(error).split())}. To fix: correct that line"
        ) from None
    if isinstance(values, list):
        values = {"classes": values}
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: expected a list of classes, got {shown(values)}. To fix: write lines such as "
            "'- road' (docs/classes.md)"
        )
    return read_plain(values, str(path))


def named_classes(name: str, where: str) -> Classes:
    """Classes of a preset by its name, or of a file by its path.

    Raises:
        InputError: there is no such preset or file.
    """
    if name in LABEL_SPACES:
        return Classes(LABEL_SPACES[name])
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return read_classes(path)
    near = difflib.get_close_matches(name, LABEL_SPACES, n=1, cutoff=0.6)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(
        f"{where}: expected a known label space or a file of classes, got {name!r}. To fix: "
        f"take one of {commas(LABEL_SPACES)}, or the path of a file such as {FILE}{hint}"
    )


def classes_beside(*folders: Path | None) -> Classes | None:
    """The classes of the first file ``classes.yaml`` in these folders."""
    for folder in folders:
        if folder is not None and (folder / FILE).is_file():
            return read_classes(folder / FILE)
    return None


def _resolved(settings: ClassesSettings, where: str) -> Classes:
    if isinstance(settings.classes, str):
        return _with_statements(settings, named_classes(settings.classes, where), where)
    listed = _listed(settings.classes or [])
    names = [one.name for one in listed]
    chosen = [one.colour for one in listed if one.colour is not None]
    free = iter(palette(len(listed), taken=chosen))
    colours = tuple(one.colour or next(free) for one in listed)
    space = space_of(names, colours)
    if chosen:  # a preset's classes in other colours are still that preset
        space = replace(space, colours=colours)
    table = None
    if settings.ignored_ids is not None or any(one.ids is not None for one in listed):
        table = _table(listed, settings.ignored_ids or [])
    return Classes(_placed(settings, space), table)


def _with_statements(settings: ClassesSettings, found: Classes, where: str) -> Classes:
    """Classes of a preset or a file, with the other keys of the section."""
    names = [*(settings.ground or []), *(settings.sky or [])]
    unknown = [name for name in names if name not in found.space.classes]
    if unknown:
        raise InputError(f"{where}: {_no_classes(unknown, found.space.classes)}")
    table = found.ids
    if settings.ignored_ids is not None:
        own = {number: number for number in range(len(found.space))}
        table = {**(table or own), **dict.fromkeys([*settings.ignored_ids, IGNORE], IGNORE)}
    return Classes(_placed(settings, found.space), table)


def _placed(settings: ClassesSettings, space: LabelSpace) -> LabelSpace:
    changes = {
        key: tuple(names)
        for key, names in (("ground", settings.ground), ("sky", settings.sky))
        if names is not None
    }
    return replace(space, **changes) if changes else space  # type: ignore[arg-type]


def _table(listed: Sequence[ClassSettings], ignored: Sequence[int]) -> dict[int, int]:
    told = dict.fromkeys([*ignored, IGNORE], IGNORE)
    for number, one in enumerate(listed):
        told |= dict.fromkeys([number] if one.ids is None else one.ids, number)
    return told


def _listed(classes: ClassList) -> list[ClassSettings]:
    return [ClassSettings(name=one) if isinstance(one, str) else one for one in classes]


def _check_classes(listed: Sequence[ClassSettings]) -> None:
    if not 1 <= len(listed) <= MOST:
        raise ValueError(
            f"expected 1 to {MOST} classes, got {len(listed)}. To fix: list such a number of "
            "classes"
        )
    if twice := _repeated(one.name for one in listed):
        raise ValueError(
            f"expected a different name for every class, got {commas(twice)} more than once. To "
            "fix: rename one of them"
        )
    ids = [i for n, one in enumerate(listed) for i in ([n] if one.ids is None else one.ids)]
    if twice := _repeated(ids):
        raise ValueError(
            f"expected every id in one class, got {commas(twice)} in more than one. To fix: give "
            "each id to one class"
        )
    if IGNORE in ids:
        raise ValueError(
            f"expected ids of classes, got {IGNORE}, which means that there is no class. To fix: "
            "leave it out"
        )


def _check_beside(settings: ClassesSettings, listed: Sequence[ClassSettings]) -> None:
    names = [one.name for one in listed]
    told = [*(settings.ground or []), *(settings.sky or [])]
    if unknown := [name for name in told if name not in names]:
        raise ValueError(_no_classes(unknown, names))
    ids = [i for n, one in enumerate(listed) for i in ([n] if one.ids is None else one.ids)]
    if both := sorted({*ids} & {*(settings.ignored_ids or [])}):
        raise ValueError(
            f"expected ids in a class or in ignored_ids, got {commas(both)} in both. To fix: "
            "remove them from one"
        )


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def _no_classes(unknown: Sequence[str], known: Sequence[str]) -> str:
    near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.6)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return (
        f"expected names of classes in ground and sky, got {commas(unknown)}. To fix: take some of "
        f"{commas(known)}{hint}"
    )


def _default(settings: Settings, name: str) -> Any:
    field = type(settings).model_fields.get(name)
    return None if field is None else field.get_default()
