"""Paths of images and labels in a weather set; a set is read like its original.

Cityscapes keeps one tree, as in the published Weather Cityscapes (Halder et al. 2019):
``leftImg8bit/val/rain/100mm/rainy_image/<city>/`` and ``leftImg8bit/val/fog/375m/<city>/`` beside
one ``gtFine/``. In every other layout each domain is a separate dataset: ``rain/100mm/`` has the
structure of the original's folder. A plain folder of images has its ``labels/`` beside the images.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Literal

from driftseg.errors import InputError
from driftseg.weather_sets.domains import WeatherDomain

Format = Literal["png", "jpg"]
CITYSCAPES = "cityscapes"
"""The kind of layout with one tree."""
FOLDER = "folder"
"""The kind of a plain folder of images."""
LABELS = "labels"
"""The folder of its labels."""


def image_place(image: PurePath, domain: WeatherDomain, layout: str, kind: Format) -> PurePath:
    """Path of an image in a domain, relative to the set.

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
    """Path of a label, relative to the set.

    Args:
        label: relative to the source's folder, with its name in the set.
        folder: of the domain.
        layout: the source's kind. Labels of a plain folder of images are in ``labels/``, whatever
            the path of their own folder.
    """
    if layout == FOLDER:
        return PurePath(folder, LABELS, label.name)
    return label if layout == CITYSCAPES else PurePath(folder, label)


def check_places(sources: Iterable[Path], out: Path) -> None:
    """Raises InputError if writing the set could change its source.

    Args:
        sources: folders of images, labels and depth.
        out: the set's folder.

    Raises:
        InputError: one of them is inside the other, or ``out`` is not a folder.
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
