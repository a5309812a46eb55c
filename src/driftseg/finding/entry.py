"""One run in a list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

COLUMNS = (
    "run", "state", "started", "target", "source", "method", "encoder", "seed", "frames", "total",
    "hash", "version", "tag", "note", "problem", "path",
)  # fmt: skip
"""Columns of every run, in addition to its numbers and settings."""


@dataclass(frozen=True)
class FoundRun:
    """One run of a list: its facts, its numbers and its whole config."""

    run: str
    """Path of its folder, relative to the searched folder."""
    path: Path = Path()
    state: str = "unreadable"
    """``finished``, ``interrupted``, ``running``, or ``unreadable``: then ``problem`` says why."""
    started: str = ""
    """Year, month, day and time of day, as ``2026-01-31 14:05``."""
    target: str | None = None
    """The config's ``name``."""
    source: str | None = None
    method: str | None = None
    encoder: str | None = None
    seed: int | None = None
    frames: int = 0
    """Frames in the record."""
    total: int | None = None
    """Frames of the whole stream."""
    hash: str | None = None
    """Of the config, five hexadecimal digits."""
    version: str | None = None
    """The version of driftseg that recorded it."""
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Numbers of ``driftseg report --numbers``, as far as the run has them."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The config on one level, as ``method.learning_rate``."""

    def value(self, column: str) -> Any:
        """The value of a column: one of `COLUMNS`, a number or a setting; None if it has none."""
        if column == "tag":
            return self.tags
        if column == "note":
            return " / ".join(self.notes) or None
        if column == "path":
            return str(self.path)
        if column in COLUMNS:
            return getattr(self, column)
        found = self.numbers.get(column)
        return self.settings.get(column) if found is None else found

    def to_json(self) -> str:
        """Text for the index, without the path, because folders can be moved."""
        return json.dumps(asdict(replace(self, path=Path())), default=str, ensure_ascii=False)

    @staticmethod
    def from_json(text: str, path: Path) -> FoundRun:
        """The run that `to_json` wrote, with its current path."""
        values = json.loads(text)
        values |= {"path": path, "tags": tuple(values["tags"]), "notes": tuple(values["notes"])}
        return FoundRun(**values)

    def as_row(self) -> dict[str, Any]:
        """Plain values for programs, with the path as text."""
        return {**asdict(self), "path": str(self.path)}
