"""All layouts that driftseg reads from disk: the whole list."""

from __future__ import annotations

from pathlib import Path

from driftseg.scenes.acdc import ACDC, DARK_ZURICH
from driftseg.scenes.bdd100k import BDD100K
from driftseg.scenes.camvid import CAMVID
from driftseg.scenes.cityscapes import CITYSCAPES
from driftseg.scenes.gta5 import GTA5
from driftseg.scenes.idd import IDD, IDD_LITE
from driftseg.scenes.layout import Layout, Pair, scenes
from driftseg.scenes.shift import SHIFT
from driftseg.scenes.synthia import SYNTHIA
from driftseg.scenes.weather_cityscapes import FOGGY_CITYSCAPES, WEATHER_CITYSCAPES

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
