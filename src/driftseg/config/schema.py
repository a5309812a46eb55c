"""A JSON schema of configs, for editors that check and complete YAML."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from driftseg.control.table import CONTROLLERS
from driftseg.methods.table import METHODS
from driftseg.parts import PartTable
from driftseg.scenes.datasets import DATASETS
from driftseg.trackers.table import TRACKERS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TABLES: tuple[PartTable[Any], ...] = (METHODS, CONTROLLERS, DATASETS, TRACKERS)
"""Tables of the parts that a section picks by name. A part may hold another of its table."""


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """The schema of a config class, with the settings of every part of the package.

    It says nothing about the settings of a user's own parts.
    """
    parts = {table.what: {name: table.find(name) for name in table} for table in TABLES}
    classes = [kind, *(part for own in parts.values() for part in own.values())]
    places, whole = models_json_schema([(each, "validation") for each in classes])
    definitions = whole["$defs"]
    for table in TABLES:
        cases = [
            {
                "if": {"properties": {table.key: {"const": name}}, "required": [table.key]},
                "then": places[part, "validation"],
            }
            for name, part in parts[table.what].items()
        ]
        for name in sorted(set(table.implied.values())):
            implied = places[parts[table.what][name], "validation"]
            cases.append({"if": {"not": {"required": [table.key]}}, "then": implied})
        definitions[table.what] = {**_names(definitions, table.what), "allOf": cases}
    root = places[kind, "validation"]["$ref"].rpartition("/")[2]
    definitions = {name: _with_parts(each, name) for name, each in definitions.items()}
    return {"$schema": DIALECT, **definitions.pop(root), "$defs": definitions}


def _names(node: Any, what: str) -> dict[str, Any]:
    """The schema of the sections that pick from a table; empty where there is none."""
    if isinstance(node, dict) and _picks(node) == what:
        return node
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return next((found for each in inner if (found := _names(each, what))), {})


def _with_parts(node: Any, here: str = "") -> Any:
    """The node with a reference to all parts' settings in place of their names alone."""
    if isinstance(node, list):
        return [_with_parts(each) for each in node]
    if not isinstance(node, dict):
        return node
    what = _picks(node)
    if what is not None and what != here:
        return {"$ref": f"#/$defs/{what}"}
    return {key: _with_parts(each) for key, each in node.items()}


def _picks(node: dict[str, Any]) -> str | None:
    """The table from which a section picks; None for any other node."""
    what = node.get("$comment")
    return what if isinstance(what, str) else None
