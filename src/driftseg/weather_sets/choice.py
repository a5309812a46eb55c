"""Which of a source's scenes a command is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftseg.scenes.dataset import is_named
from driftseg.scenes.layout import belongs


@dataclass(frozen=True)
class Choice:
    """What scenes were chosen by; by default all are.

    A command removes what was made of sources that are gone only among these: a split that it is
    not about may lie on a disk that is away.
    """

    split: str | None = None
    domain: str | None = None
    """The layout's word, or the part of several before a slash."""
    include: tuple[str, ...] = ()
    """Shell patterns of names."""
    exclude: tuple[str, ...] = ()

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Whether a scene is one of these, by what the record says of it."""
        if entry["name"] is None:  # an older record, which does not say
            return self == Choice()
        return (
            belongs(entry["split"], self.split)
            and belongs(entry["domain"], self.domain)
            and is_named(entry["name"], self.include, self.exclude)
        )
