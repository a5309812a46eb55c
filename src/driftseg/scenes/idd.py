"""IDD (Varma et al. 2019) and IDD Lite (Mishra et al. 2019) as published.

IDD: ``leftImg8bit/<split>/<drive>/<frame>_leftImg8bit.png`` (``.jpg`` in its second part) with
``gtFine/<split>/<drive>/<frame>_gtFine_polygons.json``, which are drawn when they are read. If the
authors' script has drawn them (``..._gtFine_labellevel3Ids.png``), those files are read. IDD Lite:
``leftImg8bit/<split>/<drive>/<frame>_image.jpg`` with ``gtFine/<split>/<drive>/<frame>_label.png``.
Names are ``<drive>/<frame>``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from driftseg.errors import InputError, MisfitError, UnreadableError, commas
from driftseg.frame import Label
from driftseg.images.label_coding import ID_CODINGS
from driftseg.images.reading import read_ids, translate
from driftseg.labels import IDD26, IDD_LITE7, IGNORE
from driftseg.labels.tables import IDD_IDS, IDD_LITE_IDS, IDD_NAMES
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, files_below, folders_in, match

IMAGES, LABELS = "leftImg8bit", "gtFine"
IMAGE_ENDING, POLYGONS_ENDING = "_leftImg8bit", "_gtFine_polygons.json"
IDS_ENDINGS = ("_gtFine_labellevel3Ids.png", "_gtFine_labelLevel3Ids.png")
LITE_IMAGE_ENDING, LITE_ENDING = "_image", "_label.png"


def _drives(root: Path, folder: str, split: str) -> list[Path]:
    return folders_in(root / folder / split)


def _in_drives(root: Path, folder: str, split: str, ending: str) -> list[tuple[str, Path]]:
    """Drive and frame, and file."""
    return [
        (f"{drive.name}/{frame}", path)
        for drive in _drives(root, folder, split)
        for frame, path in files_below(drive, ending, deep=False)
    ]


def _is_own(drive: Path) -> bool:
    """Whether there are images that are not Cityscapes', whose names begin with their folder."""
    return any(
        not frame.startswith(f"{drive.name}_")
        for frame, _ in files_below(drive, IMAGE_ENDING, deep=False)
    )


def _found(root: Path) -> bool:
    return any(
        _is_own(drive)
        for split in folders_in(root / IMAGES)
        for drive in _drives(root, IMAGES, split.name)
    )


def _pairs(root: Path) -> list[Pair]:
    pairs: list[Pair] = []
    for split in folders_in(root / IMAGES):
        labels = {
            f"{drive.name}/{path.name.removesuffix(POLYGONS_ENDING)}": path
            for drive in _drives(root, LABELS, split.name)
            for path in sorted(drive.glob(f"*{POLYGONS_ENDING}"))
            if not path.name.startswith(".")
        }
        for ending in IDS_ENDINGS:
            labels |= dict(_in_drives(root, LABELS, split.name, ending))
        pairs += match(
            _in_drives(root, IMAGES, split.name, IMAGE_ENDING), labels.items(),
            split=split.name, expected=_expected(root, split.name, POLYGONS_ENDING),
        )  # fmt: skip
    return pairs


def _expected(root: Path, split: str, ending: str) -> Callable[[str], Path] | None:
    labels = root / LABELS / split
    return (lambda frame: labels / f"{frame}{ending}") if labels.is_dir() else None


def read_label(path: Path) -> Label:
    """Level 3 ids from a PNG or from polygons; InputError for an unknown id or name."""
    if path.suffix == ".json":
        return draw_polygons(path)
    return translate(read_ids(path), IDD_IDS, name=str(path))


FEWEST_POINTS = 2
"""Two points give a line, as in the authors' script."""


def draw_polygons(path: Path) -> Label:
    """The polygons of a file, later ones over earlier ones, as the authors draw them.

    Published files have objects with one point or none; these are not drawn (`pointless`).
    """
    try:
        drawing = json.loads(path.read_text(encoding="utf-8-sig"))
        picture = PillowImage.new("L", (drawing["imgWidth"], drawing["imgHeight"]), IGNORE)
        pen = ImageDraw.Draw(picture)
        for thing in drawing["objects"]:
            if not thing.get("deleted"):
                fill = _id_of(thing["label"], path)
                points = [tuple(point) for point in thing["polygon"] or ()]
                if len(points) >= FEWEST_POINTS:
                    pen.polygon(points, fill=fill)
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected a file, got a path where there is none. To fix: complete the dataset"
        ) from None
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"{path}: expected readable polygons, got an error ({type(error).__name__}: {error}). "
            "To fix: get the file again, or remove it"
        ) from None
    return np.array(picture, dtype=np.uint8)


def pointless(path: Path) -> str:
    """How many objects of a file of polygons have too few points to draw; empty if none."""
    if path.suffix != ".json":
        return ""
    objects = json.loads(path.read_text(encoding="utf-8-sig"))["objects"]
    drawn = [thing["label"] for thing in objects if not thing.get("deleted")]
    lacking = [
        thing["label"] for thing in objects
        if not thing.get("deleted") and len(thing["polygon"] or ()) < FEWEST_POINTS
    ]  # fmt: skip
    if not lacking:
        return ""
    names = ", ".join(sorted(set(lacking)))
    return f"{path}: {len(lacking)} of {len(drawn)} objects have fewer than two points ({names})"


def _id_of(label: str, path: Path) -> int:
    """The id of a label; ``group`` at its end marks several objects drawn as one."""
    known = label if label in IDD_NAMES else label.removesuffix("group")
    if known not in IDD_NAMES:
        raise MisfitError(
            f"{path}: expected a label of IDD, got {label!r}. To fix: take one of "
            f"{commas(sorted(IDD_NAMES))}, or leave the file out with exclude"
        )
    name = IDD_NAMES[known]
    return IGNORE if name is None else IDD26.classes.index(name)


IDD = Layout(
    name="idd",
    title="IDD",
    wanted=(
        f"{IMAGES}/<split>/<drive>/*{IMAGE_ENDING}.png and "
        f"{LABELS}/<split>/<drive>/*{POLYGONS_ENDING} or *{IDS_ENDINGS[0]}"
    ),
    label_space=IDD26,
    found=_found,
    pairs=_pairs,
    decode=read_label,
    codings=lambda path: ID_CODINGS | {"JSON"},
    remark=pointless,
)


def _lite_files(root: Path) -> Iterable[tuple[str, Path]]:
    for split in folders_in(root / IMAGES):
        yield from _in_drives(root, IMAGES, split.name, LITE_IMAGE_ENDING)


def _lite_pairs(root: Path) -> list[Pair]:
    pairs: list[Pair] = []
    for split in folders_in(root / IMAGES):
        pairs += match(
            _in_drives(root, IMAGES, split.name, LITE_IMAGE_ENDING),
            [
                (frame, path)
                for frame, path in _in_drives(root, LABELS, split.name, LITE_ENDING)
                if not frame.endswith("_inst")
            ],
            split=split.name,
            expected=_expected(root, split.name, LITE_ENDING),
        )
    return pairs


def read_lite_label(path: Path) -> Label:
    """IDD Lite's seven ids; InputError for another id."""
    return translate(read_ids(path), IDD_LITE_IDS, name=str(path))


IDD_LITE = Layout(
    name="idd_lite",
    title="IDD Lite",
    wanted=(
        f"{IMAGES}/<split>/<drive>/*{LITE_IMAGE_ENDING}.jpg and "
        f"{LABELS}/<split>/<drive>/*{LITE_ENDING}"
    ),
    label_space=IDD_LITE7,
    found=lambda root: any(True for _ in _lite_files(root)),
    pairs=_lite_pairs,
    decode=read_lite_label,
)


class IddSettings(LayoutSettings):
    """IDD, from its polygons or drawn level 3 ids."""

    kind: Literal["idd"] = "idd"

    layout: ClassVar[Layout] = IDD


class IddLiteSettings(LayoutSettings):
    """IDD Lite: seven classes."""

    kind: Literal["idd_lite"] = "idd_lite"

    layout: ClassVar[Layout] = IDD_LITE
