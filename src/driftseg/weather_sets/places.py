"""Where in a weather set an image and its label go, so that it is read like the original.

Cityscapes keeps one tree, as the published Weather Cityscapes (Halder et al. 2019) has it:
``leftImg8bit/val/rain/100mm/rainy_image/<city>/`` and ``leftImg8bit/val/fog/375m/<city>/`` beside
one ``gtFine/``. In every other layout each weather is a dataset by itself: ``rain/100mm/`` holds
what the original's folder holds. Beside the images of a plain folder are their ``labels/``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Literal

from driftseg.errors import InputError
from driftseg.weather_sets.domains import WeatherDomain

Format = Literal["png", "jpg"]
CITYSCAPES = "cityscapes"
"""The kind of layout that keeps one tree."""
FOLDER = "folder"
"""The kind of a plain folder of images."""
LABELS = "labels"
"""Where its labels go."""


def image_place(image: PurePath, domain: WeatherDomain, layout: str, kind: Format) -> PurePath:
    """Where an image in a weather goes, relative to the set.

    Args:
        image: relative to the source's folder.
        domain: the weather.
        layout: the source's kind.
        kind: of file.
    """
    name = f"{image.stem}.{kind}"
    if layout == CITYSCAPES:
        folder, split, *inner = image.parts[:-1]
        rainy = ("rainy_image",) if domain.conditions.rain > 0 else ()
        return PurePath(folder, split, domain.folder, *rainy, *inner, name)
    return PurePath(domain.folder, image.parent, name)


def label_place(label: PurePath, folder: str, layout: str) -> PurePath:
    """Where a label goes, relative to the set.

    Args:
        label: relative to the source's folder, called as in the set.
        folder: of the weather.
        layout: the source's kind. Labels of a plain folder of images are in ``labels/``, wherever
            and under whatever name their own folder lies.
    """
    if layout == FOLDER:
        return PurePath(folder, LABELS, label.name)
    return label if layout == CITYSCAPES else PurePath(folder, label)


def check_places(sources: Iterable[Path], out: Path) -> None:
    """Raises where writing the set could touch what it is made from.

    Args:
        sources: folders of images, labels and depth.
        out: the set's folder.

    Raises:
        InputError: one of them lies in the other, or the set's is no folder.
    """
    target = out.resolve()
    for folder in sources:
        source = folder.resolve()
        if source == target or source in target.parents or target in source.parents:
            raise InputError(
                f"{out}: expected a folder outside {folder}, whose files are never changed, got "
                "one in or around it. To fix: choose a folder beside it"
            )
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder to write to, got a file. To fix: name a folder")
