"""The table of all kinds of datasets, and detection of the layout of a folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import SerializeAsAny

from driftseg.parts import PartTable, Pick
from driftseg.scenes.dataset import DatasetSettings
from driftseg.scenes.layout import Layout, LayoutSettings

DATASETS: PartTable[DatasetSettings] = PartTable(
    "dataset",
    {
        "town": "driftseg.town.scenes:TownSettings",
        "camvid": "driftseg.scenes.camvid:CamvidSettings",
        "folder": "driftseg.scenes.folder:FolderSettings",
        "weather_set": "driftseg.weather_sets.reading:WeatherSetSettings",
        "images": "driftseg.scenes.sequence:SequenceSettings",
        "video": "driftseg.scenes.video:VideoSettings",
        "camera": "driftseg.scenes.live:LiveSettings",
        "weather_cityscapes": "driftseg.scenes.weather_cityscapes:WeatherCityscapesSettings",
        "foggy_cityscapes": "driftseg.scenes.weather_cityscapes:FoggyCityscapesSettings",
        "cityscapes": "driftseg.scenes.cityscapes:CityscapesSettings",
        "idd": "driftseg.scenes.idd:IddSettings",
        "idd_lite": "driftseg.scenes.idd:IddLiteSettings",
        "acdc": "driftseg.scenes.acdc:AcdcSettings",
        "dark_zurich": "driftseg.scenes.acdc:DarkZurichSettings",
        "shift": "driftseg.scenes.shift:ShiftSettings",
        "bdd100k": "driftseg.scenes.bdd100k:Bdd100kSettings",
        "gta5": "driftseg.scenes.gta5:Gta5Settings",
        "synthia": "driftseg.scenes.synthia:SynthiaSettings",
    },
    group="driftseg.datasets",
    kind=DatasetSettings,
    key="kind",
)
"""Order of layouts: if a folder fits two of them, the more specific layout is first."""

Data = Annotated[SerializeAsAny[DatasetSettings], Pick(DATASETS)]
"""The section of a config for a source of scenes."""


@cache
def layouts() -> tuple[Layout, ...]:
    """The package's own layouts, in order of detection."""
    every = (DATASETS.find(name) for name in DATASETS)
    found = (section.layout for section in every if issubclass(section, LayoutSettings))
    return tuple(sorted(found, key=lambda layout: layout.general))


def recognise(root: Path) -> Layout | None:
    """The layout of a folder; None if it fits none."""
    return next((layout for layout in layouts() if layout.found(root)), None)
