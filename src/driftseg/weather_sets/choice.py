"""The source scenes that a command selects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftseg.scenes.dataset import is_named
from driftseg.scenes.layout import belongs


@dataclass(frozen=True)
class Choice:
    """The selection of scenes; by default all.

    A command removes images of missing sources only within its selection. Another split may be on a
    disk that is not mounted.
    """

    split: str | None = None
    domain: str | None = None
    """The layout's word for a condition, or its part before a slash."""
    include: tuple[str, ...] = ()
    """Shell patterns of scene names."""
    exclude: tuple[str, ...] = ()

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Whether the selection contains a scene, by its entry in the record."""
        if entry["name"] is None:  # an older record without this entry
            return self == Choice()
        return (
            belongs(entry["split"], self.split)
            and belongs(entry["domain"], self.domain)
            and is_named(entry["name"], self.include, self.exclude)
        )
