"""Data sections: where scenes come from, which of them, how large, and in which classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from driftseg.runs.depth_config import DepthSettings
from driftseg.runs.video_config import CameraData, ImagesData, VideoData
from driftseg.settings import Pixels, Seed, Settings


class TownData(Settings):
    """Procedural streets; needs no files."""

    kind: Literal["town"]
    seed: Seed = 0
    """Another seed is another town."""
    frames: PositiveInt = 200
    start: Annotated[int, Field(ge=0)] = 0
    """First step of the camera, in frames of the drive."""
    every: PositiveInt = 1
    """Steps of the camera (0.8 m each) between two frames."""
    size: tuple[Pixels, Pixels] = (256, 192)
    """(width, height)."""


class SelectedData(Settings):
    """Which files of a folder, and how large."""

    include: list[str] = []
    """Shell patterns; a frame's name must match one, if any are given."""
    exclude: list[str] = []
    start: Annotated[int, Field(ge=0)] = 0
    """First frame kept, counted after the patterns."""
    stop: int | None = None
    """Frame after the last one kept."""
    size: tuple[Pixels, Pixels] | None = None
    """(width, height) to shrink to; null keeps the files' own."""
    depth: DepthSettings = "none"
    """How far things are, for the weather that is rendered on them."""


class FolderData(SelectedData):
    """A folder of images, with or without a folder of label PNGs of the same names."""

    kind: Literal["folder"]
    root: Path
    labels: Path | None = None
    label_space: str = "camvid11"


class WeatherSetData(SelectedData):
    """A set that ``driftseg weather`` has made, and what it was made from as ``clear``."""

    kind: Literal["weather_set"]
    root: Path
    split: str | None = None
    """Of the original; null takes all."""
    domain: str | None = None
    """``clear``, ``rain/100mm``, or the part before the slash; null takes all."""
    label_space: str | None = None
    """Null is the one that the set was made with; only a set without labels may have another."""


class LayoutData(SelectedData):
    """A dataset as its authors lay it out (docs/datasets.md)."""

    kind: str
    root: Path | None = None
    """The folder; ``--data FOLDER`` sets it for all sections that name none."""
    split: str | None = "train"
    """train, val, ...; all where the layout has none; null takes every split."""
    domain: str | None = None
    """The layout's word for a condition (``night``, ``rain/100mm``), or the part before a slash;
    null takes all."""
    label_space: str | None = None
    """Another space that the labels are to be told in; null leaves them in the dataset's."""


class CamvidData(LayoutData):
    """CamVid, in SegNet's layout (train/, trainannot/) or the authors'."""

    kind: Literal["camvid"]
    size: tuple[Pixels, Pixels] | None = (320, 240)
    """(width, height) to shrink to; null keeps the files' own."""


class CityscapesData(LayoutData):
    """Cityscapes; label ids or training ids."""

    kind: Literal["cityscapes"]


class WeatherCityscapesData(LayoutData):
    """Cityscapes in rendered rain (``rain/100mm``) and fog (``fog/75m``), and ``clear``."""

    kind: Literal["weather_cityscapes"]


class FoggyCityscapesData(LayoutData):
    """Cityscapes in rendered fog (``beta_0.02``)."""

    kind: Literal["foggy_cityscapes"]


class AcdcData(LayoutData):
    """ACDC: ``fog``, ``night``, ``rain``, ``snow``; reference images in the split train_ref."""

    kind: Literal["acdc"]


class DarkZurichData(LayoutData):
    """Dark Zurich: ``day``, ``twilight``, ``night``; val has labels."""

    kind: Literal["dark_zurich"]


class ShiftData(LayoutData):
    """SHIFT: ``discrete``, ``continuous/10x``, or further, ``discrete/rainy/night``."""

    kind: Literal["shift"]


class IddData(LayoutData):
    """IDD, from its polygons or drawn level 3 ids."""

    kind: Literal["idd"]


class IddLiteData(LayoutData):
    """IDD Lite: seven classes."""

    kind: Literal["idd_lite"]


class Bdd100kData(LayoutData):
    """BDD100K's 10k images with semantic masks."""

    kind: Literal["bdd100k"]


class Gta5Data(LayoutData):
    """GTA5 (Playing for Data)."""

    kind: Literal["gta5"]
    split: str | None = "all"


class SynthiaData(LayoutData):
    """SYNTHIA-RAND-CITYSCAPES."""

    kind: Literal["synthia"]
    split: str | None = "all"


Data = Annotated[
    TownData
    | CamvidData
    | FolderData
    | WeatherSetData
    | ImagesData
    | VideoData
    | CameraData
    | CityscapesData
    | WeatherCityscapesData
    | FoggyCityscapesData
    | AcdcData
    | DarkZurichData
    | ShiftData
    | IddData
    | IddLiteData
    | Bdd100kData
    | Gta5Data
    | SynthiaData,
    Field(discriminator="kind"),
]

LAYOUT_KINDS = (
    "camvid", "cityscapes", "weather_cityscapes", "foggy_cityscapes", "acdc", "dark_zurich",
    "shift", "idd", "idd_lite", "bdd100k", "gta5", "synthia",
)  # fmt: skip
"""The kinds whose folder ``--data FOLDER`` names."""
