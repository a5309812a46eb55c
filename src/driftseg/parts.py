"""Parts by name: the package's own, those of installed packages, and anything importable.

A part that a config can name (a method, a dataset, a drift detector) is a settings class with a
method ``make``. Each folder of driftseg keeps a table of its own parts. A config names a user's own
part by its import path, ``my_package.module:MyMethod``, or by the name that its package gives it in
an entry point.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from driftseg.errors import InputError, OwnCodeError, commas

Part = TypeVar("Part")


class PartTable(Generic[Part]):
    """All parts of one kind.

    Args:
        what: what a part is called in messages, ``method``.
        modules: name of each of the package's own parts -> ``module:attribute``.
        group: entry points of this group add names.
        kind: the class, or its ``module:Class``, that every part must be a subclass of; None
            takes any callable.
        key: the key of a section that holds the part's name, ``name`` or ``kind``.
        implied: key of a section without a name -> the name that it implies.
    """

    def __init__(
        self,
        what: str,
        modules: Mapping[str, str],
        *,
        group: str,
        kind: str | type | None = None,
        key: str = "name",
        implied: Mapping[str, str] | None = None,
    ):
        self.what = what
        self.key = key
        self._modules = dict(modules)
        self._group = group
        self._kind = kind
        self.implied = dict(implied or {})

    def named(self, values: Mapping[str, Any]) -> Any:
        """The name that a section says or implies; None where it does neither."""
        name = values.get(self.key)
        implied = next((self.implied[key] for key in self.implied if key in values), None)
        return implied if name is None else name

    def __iter__(self) -> Iterator[str]:
        """The names of the package's own parts."""
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def names(self) -> list[str]:
        """The package's own names, then those of entry points."""
        return [*self._modules, *(n for n in self._entry_points() if n not in self._modules)]

    def find(self, name: str, *, where: str | None = None) -> Any:
        """The part of that name.

        Args:
            name: of the table, of an entry point, or ``package.module:Name``.
            where: the setting that names it, for messages.

        Raises:
            InputError: there is none, it cannot be imported, or it is of another kind.
        """
        where = where or self.what
        path = self._modules.get(name) or self._entry_points().get(name)
        if path is None and ":" in name:
            path = name
        if path is None:
            raise InputError(
                f"{where}: expected a known {self.what}, got {name!r}. To fix: take "
                f"{self._hint(name)}"
            )
        found = load(path, where=where)
        self._check(found, path, where)
        return found

    def _check(self, found: Any, path: str, where: str) -> None:
        if self._kind is None:
            if not callable(found):
                raise InputError(
                    f"{where}: expected a function that makes the {self.what}, got {path}, which "
                    f"is a {type(found).__name__}. To fix: name a function, package.module:function"
                )
            return
        kind = load(self._kind, where=where) if isinstance(self._kind, str) else self._kind
        if not (isinstance(found, type) and issubclass(found, kind)):
            raise InputError(
                f"{where}: expected a subclass of {kind.__module__}.{kind.__qualname__}, got "
                f"{path}, which is {_described(found)}. To fix: derive it from {kind.__qualname__}"
            )
        if inspect.isabstract(found):
            missing = ", ".join(sorted(getattr(found, "__abstractmethods__")))  # noqa: B009
            raise InputError(
                f"{where}: expected a class with the method {missing}, got {path} without it. To "
                "fix: add the method to the class"
            )

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.6)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        return f"one of {commas(self.names())}, or package.module:Name of your own{meant}"

    def _entry_points(self) -> dict[str, str]:
        return {point.name: point.value for point in entry_points(group=self._group)}


class Pick:
    """Validates a section of a config by the settings class that its name asks for.

    Stands in an annotation: ``Annotated[SerializeAsAny[MethodSettings], Pick(METHODS)]``.
    """

    def __init__(self, table: PartTable[Any]):
        self.table = table

    def __call__(self, value: Any) -> Any:
        """A settings object from plain values. A settings object stays as it is."""
        if not isinstance(value, Mapping):
            return value
        return self.section(value).model_validate(value)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The known names, for editors. `driftseg.config.schema` adds each part's settings."""
        path = {"type": "string", "pattern": r"^[\w.]+:[\w.]+$"}
        names = {"anyOf": [{"enum": self.table.names()}, path]}
        key = self.table.key
        return {
            "$comment": self.table.what,
            "type": "object",
            "properties": {key: names},
            **({} if self.table.implied else {"required": [key]}),
        }

    def section(self, values: Mapping[str, Any], *, where: str | None = None) -> Any:
        """The settings class for these values.

        Args:
            values: of the section.
            where: the setting that names the part, for messages; None is the key alone.

        Raises:
            ValueError: they name none.
            InputError: there is no such part, or it cannot be imported.
        """
        name = self.table.named(values)
        if not isinstance(name, str):
            key, what = self.table.key, self.table.what
            got = "none" if name is None else repr(name)
            raise ValueError(
                f"expected the key {key} with the name of a {what}, got {got}. To fix: set {key} "
                f"to one of {commas(self.table.names())}, or to package.module:Name of your own"
            )
        return self.table.find(name, where=where or self.table.key)


def load(path: str, *, where: str) -> Any:
    """What ``package.module:Name`` names.

    The working directory is searched for modules, too, as by ``python -m``.

    Raises:
        InputError: no such module, or it has no such name.
        OwnCodeError: the module's own code fails.
    """
    module_name, colon, attribute = path.partition(":")
    if not (colon and module_name and attribute):
        raise InputError(
            f"{where}: expected package.module:Name, got {path!r}. To fix: write a colon between "
            "module and name"
        )
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise OwnCodeError(
                f"{where}: expected a module that can be imported, got {module_name} ({error}). To "
                "fix: correct the code or install what it imports"
            ) from error
        raise InputError(
            f"{where}: expected an installed module, got {error.name}, which is not found. To fix: "
            "install its package, or run in the folder that holds it"
        ) from None
    except Exception as error:
        raise OwnCodeError(
            f"{where}: expected a module that can be imported, got {module_name} "
            f"({type(error).__name__}: {error}). To fix: correct the code, see the traceback below"
        ) from error
    finally:
        if added:
            sys.path.remove(here)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise InputError(
                f"{where}: expected {attribute} in {module_name}, got a module without it. To fix: "
                "check the name after the colon"
            )
        found = getattr(found, name)
    return found


def _described(found: Any) -> str:
    return (
        f"the class {found.__qualname__}"
        if isinstance(found, type)
        else f"a {type(found).__name__}"
    )
