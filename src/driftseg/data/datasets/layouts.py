"""All layouts that driftseg reads from disk: the whole list."""

from __future__ import annotations

from pathlib import Path

from driftseg.data.datasets.acdc import ACDC, DARK_ZURICH
from driftseg.data.datasets.bdd100k import BDD100K
from driftseg.data.datasets.camvid import CAMVID
from driftseg.data.datasets.cityscapes import CITYSCAPES
from driftseg.data.datasets.gta5 import GTA5
from driftseg.data.datasets.idd import IDD, IDD_LITE
from driftseg.data.datasets.layout import Layout, Pair, scenes
from driftseg.data.datasets.shift import SHIFT
from driftseg.data.datasets.synthia import SYNTHIA
from driftseg.data.datasets.weather_cityscapes import FOGGY_CITYSCAPES, WEATHER_CITYSCAPES

__all__ = ["LAYOUTS", "Layout", "Pair", "recognise", "scenes"]

LAYOUTS: tuple[Layout, ...] = (
    WEATHER_CITYSCAPES,
    FOGGY_CITYSCAPES,
    CITYSCAPES,
    IDD,
    IDD_LITE,
    ACDC,
    DARK_ZURICH,
    SHIFT,
    BDD100K,
    GTA5,
    SYNTHIA,
    CAMVID,
)
"""In order of detection, the most specific first."""


def recognise(root: Path) -> Layout | None:
    """The layout that a folder is in; None for a folder in none of them."""
    return next((layout for layout in LAYOUTS if layout.found(root)), None)
