"""All layouts that driftseg reads from disk: the whole list."""

from __future__ import annotations

from pathlib import Path

from driftseg.data.datasets.camvid import CAMVID
from driftseg.data.datasets.cityscapes import CITYSCAPES
from driftseg.data.datasets.layout import Layout, Pair, scenes

__all__ = ["LAYOUTS", "Layout", "Pair", "recognise", "scenes"]

LAYOUTS: tuple[Layout, ...] = (CITYSCAPES, CAMVID)
"""In order of detection, the most specific first."""


def recognise(root: Path) -> Layout | None:
    """The layout that a folder is in; None for a folder in none of them."""
    return next((layout for layout in LAYOUTS if layout.found(root)), None)
