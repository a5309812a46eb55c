"""CamVid (Brostow et al. 2009) in two layouts.

SegNet's: ``train/ trainannot/ val/ valannot/ test/ testannot/``, label ids 0-10, 11 unlabelled. The
authors': ``701_StillsRaw_full/`` and ``LabeledApproved_full/`` with ``*_L.png`` colour labels of 32
classes, which are merged into SegNet's eleven. The sequence in the name gives the domain:
``0001TP_*`` is dusk, the rest day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from driftseg.errors import MisfitError
from driftseg.frame import Label
from driftseg.images.label_coding import COLOUR_CODINGS, ID_CODINGS
from driftseg.images.reading import Size, read_colours, read_ids
from driftseg.labels import CAMVID11, IGNORE
from driftseg.scenes.dataset import SceneFiles
from driftseg.scenes.layout import Layout, LayoutSettings, scenes
from driftseg.scenes.pairs import Pair, files_below, match
from driftseg.settings import Pixels

UNLABELLED = 11
"""SegNet's id for pixels without a class."""

SPLITS = ("test", "train", "val")
DUSK = "0001TP_"
STILLS = "701_StillsRaw_full"
STILL_LABELS = "LabeledApproved_full"

# Colours of the authors' label_colors.txt; the grouping is that of SegNet's eleven classes.
COLOURS_TO_CLASS: dict[tuple[int, int, int], str | None] = {
    (128, 128, 128): "sky",
    (192, 0, 128): "building",  # archway
    (0, 128, 64): "building",  # bridge
    (128, 0, 0): "building",
    (64, 0, 64): "building",  # tunnel
    (64, 192, 0): "building",  # wall
    (192, 192, 128): "pole",  # column or pole
    (0, 0, 64): "pole",  # traffic cone
    (128, 64, 128): "road",
    (128, 0, 192): "road",  # lane markings, driving
    (192, 0, 64): "road",  # lane markings, not driving
    (0, 0, 192): "pavement",
    (64, 192, 128): "pavement",  # parking block
    (128, 128, 192): "pavement",  # road shoulder
    (128, 128, 0): "tree",
    (192, 192, 0): "tree",  # other vegetation
    (192, 128, 128): "sign",
    (128, 128, 64): "sign",  # other text
    (0, 64, 64): "sign",  # traffic light
    (64, 64, 128): "fence",
    (64, 0, 128): "car",
    (64, 128, 192): "car",  # SUV, pick-up
    (192, 128, 192): "car",  # truck, bus
    (192, 64, 128): "car",  # train
    (128, 64, 64): "car",  # other moving
    (64, 64, 0): "pedestrian",
    (192, 128, 64): "pedestrian",  # child
    (64, 0, 192): "pedestrian",  # cart, luggage, pram
    (64, 128, 64): "pedestrian",  # animal
    (0, 128, 192): "bicyclist",
    (192, 0, 192): "bicyclist",  # motorcycle, scooter
    (0, 0, 0): None,  # void
}


def camvid(root: Path, *, split: str = "train", size: Size | None = None) -> SceneFiles:
    """CamVid's scenes of one split, in name order.

    Args:
        root: the folder that holds either layout.
        split: ``train``, ``val`` or ``test`` in SegNet's layout; ``all`` in the authors'.
        size: (width, height) to shrink to.
    """
    return scenes(CAMVID, root, split=split, size=size)


def _found(root: Path) -> bool:
    return (root / STILLS).is_dir() or any(
        (root / split).is_dir() and (root / f"{split}annot").is_dir() for split in SPLITS
    )


def _pairs(root: Path) -> list[Pair]:
    if (root / STILLS).is_dir():
        images, labels = root / STILLS, root / STILL_LABELS
        return _told_apart(match(
            files_below(images, deep=False), files_below(labels, "_L.png", deep=False),
            split="all", expected=_expected(labels, "_L.png"),
        ))  # fmt: skip
    pairs: list[Pair] = []
    for split in SPLITS:
        labels = root / f"{split}annot"
        pairs += match(
            files_below(root / split, deep=False), files_below(labels, ".png", deep=False),
            split=split, expected=_expected(labels, ".png"),
        )  # fmt: skip
    return _told_apart(pairs)


def _expected(labels: Path, ending: str) -> Callable[[str], Path] | None:
    return (lambda scene: labels / f"{scene}{ending}") if labels.is_dir() else None


def _told_apart(pairs: list[Pair]) -> list[Pair]:
    return [replace(p, domain="dusk" if p.name.startswith(DUSK) else "day") for p in pairs]


def read_label(path: Path) -> Label:
    """Reads a label file of either layout; the authors' file ending tells which."""
    return read_authors_label(path) if _is_authors(path) else read_segnet_label(path)


def _codings(path: Path) -> frozenset[str]:
    return COLOUR_CODINGS if _is_authors(path) else ID_CODINGS


def _is_authors(path: Path) -> bool:
    return path.name.endswith("_L.png")


def read_segnet_label(path: Path) -> Label:
    """Ids 0-10; 11 becomes 255."""
    label = read_ids(path).copy()
    label[label == UNLABELLED] = IGNORE
    return label


def read_authors_label(path: Path) -> Label:
    """Maps the 32 colours to eleven ids; MisfitError for any other colour."""
    colours = read_colours(path).astype(np.int64)
    keys = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    label = np.full(keys.shape, IGNORE, dtype=np.uint8)
    known = np.zeros(keys.shape, dtype=bool)
    for (red, green, blue), name in COLOURS_TO_CLASS.items():
        here = keys == (red << 16 | green << 8 | blue)
        known |= here
        if name is not None:
            label[here] = CAMVID11.classes.index(name)
    if not known.all():
        row, column = (int(i) for i in np.argwhere(~known)[0])
        raise MisfitError(
            f"{path}: expected CamVid's 32 label colours, got "
            f"{tuple(int(v) for v in colours[row, column])} at row {row}, column {column}. To fix: "
            "correct that pixel, or leave the file out with exclude"
        )
    return label


CAMVID = Layout(
    name="camvid",
    title="CamVid",
    wanted=(
        f"train/ and trainannot/ (SegNet's layout) or {STILLS}/ and {STILL_LABELS}/ (the authors')"
    ),
    label_space=CAMVID11,
    found=_found,
    pairs=_pairs,
    decode=read_label,
    codings=_codings,
    general=True,  # other datasets use these folder names, too
)


class CamvidSettings(LayoutSettings):
    """CamVid, in SegNet's layout (train/, trainannot/) or the authors'."""

    kind: Literal["camvid"] = "camvid"
    size: tuple[Pixels, Pixels] | None = (320, 240)
    """(width, height) to shrink to; null keeps the size of the files."""

    layout: ClassVar[Layout] = CAMVID
