"""Cityscapes in rendered weather: Weather Cityscapes and Foggy Cityscapes.

Weather Cityscapes (Tremblay et al. 2021) puts rain and fog beside the cities:
``leftImg8bit/<split>/rain/<rate>mm/rainy_image/`` and ``leftImg8bit/<split>/fog/<visibility>m/``,
with or without a folder per city. Foggy Cityscapes (Sakaridis et al. 2018) is
``leftImg8bit_foggy/<split>/<city>/<scene>_leftImg8bit_foggy_beta_<beta>.png``. Labels and depth are
those of Cityscapes, in the same folder. A scene has images in several domains, so names begin with
the domain: ``rain/100mm/aachen_000000_000019``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from driftseg.images.listing import natural
from driftseg.labels import CITYSCAPES19
from driftseg.scenes.cityscapes import (
    IDS_ENDING,
    IMAGE_ENDING,
    IMAGES,
    LABELS,
    cities,
    city_labels,
    expected_label,
    read_label,
    with_depth,
)
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, by_name, files_below, folders_in, match

SCENE = re.compile(r"[A-Za-z-]+_\d+_\d+")
"""City, sequence and frame: the beginning of every name of Cityscapes."""
LEVELS = {
    "rain": re.compile(r"\d+(\.\d+)?mm"),
    "fog": re.compile(r"\d+(\.\d+)?m"),
    "night": re.compile(r"\d+(\.\d+)?"),
    "snow": re.compile(r"\d+(\.\d+)?mm"),
}
"""Folders of rates of rain in mm/h and of visibilities in fog in metres; `driftseg weather` adds
night and snow."""

FOGGY = "leftImg8bit_foggy"
BETA = re.compile(r"(?P<scene>.+)_leftImg8bit_foggy_(?P<beta>beta_\d+(\.\d+)?)\.(png|jpg)")


def _levels(split: Path) -> list[tuple[str, Path]]:
    """Domain and folder of every kind and level of weather of a split."""
    return [
        (f"{kind}/{level.name}", level / "rainy_image" if kind == "rain" else level)
        for kind, pattern in LEVELS.items()
        for level in folders_in(split / kind)
        if pattern.fullmatch(level.name)
    ]


def _found(root: Path) -> bool:
    return any(_levels(split) for split in folders_in(root / IMAGES))


def _pairs(root: Path) -> list[Pair]:
    found: list[Pair] = []
    for split in folders_in(root / IMAGES):
        shown = {domain: _scenes(folder) for domain, folder in _levels(split)}
        shown["clear"] = [
            image
            for city in cities(root, IMAGES, split.name)
            for image in files_below(city, IMAGE_ENDING, deep=False)
        ]
        found += _labelled(root, split.name, shown)
    return with_depth(root, sorted(found, key=by_name))


def _scenes(folder: Path) -> list[tuple[str, Path]]:
    found = ((SCENE.match(path.name), path) for _, path in files_below(folder))
    return [(name.group(), path) for name, path in found if name is not None]


def _labelled(root: Path, split: str, shown: dict[str, list[tuple[str, Path]]]) -> list[Pair]:
    """Each domain's images with the labels of their scenes.

    A label without an image is listed once, as a scene of the clear domain if there is one.
    """
    labels = city_labels(root, split)
    pairs: list[Pair] = []
    for domain, images in shown.items():
        if images:
            scenes = {scene for scene, _ in images}
            theirs = labels if domain == "clear" else {s: labels[s] for s in scenes & set(labels)}
            pairs += match(
                images, theirs.items(), split=split, domain=domain,
                expected=expected_label(root, split), prefix=f"{domain}/",
            )  # fmt: skip
    return pairs


WEATHER_CITYSCAPES = Layout(
    name="weather_cityscapes",
    title="Weather Cityscapes",
    wanted=(
        f"{IMAGES}/<split>/rain/<rate>mm/rainy_image/*.png or {IMAGES}/<split>/fog/"
        f"<visibility>m/*.png, and {LABELS}/<split>/<city>/*{IDS_ENDING}"
    ),
    label_space=CITYSCAPES19,
    found=_found,
    pairs=_pairs,
    decode=read_label,
)


def _foggy_found(root: Path) -> bool:
    return any(
        BETA.fullmatch(path.name)
        for split in folders_in(root / FOGGY)
        for city in folders_in(split)
        for path in city.iterdir()
    )


def _foggy_pairs(root: Path) -> list[Pair]:
    found: list[Pair] = []
    for split in folders_in(root / FOGGY):
        shown: dict[str, list[tuple[str, Path]]] = {}
        for city in folders_in(split):
            for path in sorted(city.iterdir(), key=natural):
                if name := BETA.fullmatch(path.name):
                    shown.setdefault(name["beta"], []).append((name["scene"], path))
        found += _labelled(root, split.name, shown)
    return with_depth(root, sorted(found, key=by_name))


FOGGY_CITYSCAPES = Layout(
    name="foggy_cityscapes",
    title="Foggy Cityscapes",
    wanted=(
        f"{FOGGY}/<split>/<city>/*_leftImg8bit_foggy_beta_<beta>.png and "
        f"{LABELS}/<split>/<city>/*{IDS_ENDING}"
    ),
    label_space=CITYSCAPES19,
    found=_foggy_found,
    pairs=_foggy_pairs,
    decode=read_label,
)


class WeatherCityscapesSettings(LayoutSettings):
    """Cityscapes in rendered rain (``rain/100mm``) and fog (``fog/75m``), and ``clear``."""

    kind: Literal["weather_cityscapes"] = "weather_cityscapes"

    layout: ClassVar[Layout] = WEATHER_CITYSCAPES


class FoggyCityscapesSettings(LayoutSettings):
    """Cityscapes in rendered fog (``beta_0.02``)."""

    kind: Literal["foggy_cityscapes"] = "foggy_cityscapes"

    layout: ClassVar[Layout] = FOGGY_CITYSCAPES
