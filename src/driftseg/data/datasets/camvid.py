"""CamVid (Brostow et al. 2009) in two layouts.

SegNet's: ``train/ trainannot/ val/ valannot/ test/ testannot/``, label ids 0-10, 11 unlabelled.
The authors': ``701_StillsRaw_full/`` and ``LabeledApproved_full/`` with ``*_L.png`` colour
labels of 32 classes, which are joined to SegNet's eleven. Day and dusk are told apart by the
sequence in the name: ``0001TP_*`` is dusk, the rest day.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from driftseg.data.datasets.files import Entry, SceneFiles
from driftseg.data.images import Size, list_images, read_colours, read_ids
from driftseg.errors import InputError
from driftseg.frame import Label
from driftseg.labels import CAMVID11, IGNORE

UNLABELLED = 11
"""SegNet's id for pixels without a class."""

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
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; pass CamVid's with --data FOLDER")
    if (root / STILLS).is_dir():
        return _authors(root, split, size)
    images, labels = root / split, root / f"{split}annot"
    if not images.is_dir() or not labels.is_dir():
        raise InputError(
            f"{root}: wanted {split}/ and {split}annot/ (SegNet's layout) or {STILLS}/ and "
            f"{STILL_LABELS}/ (the authors'), found {sorted(p.name for p in root.iterdir())[:8]}"
        )
    entries = [
        Entry(path.stem, path, _existing(labels / f"{path.stem}.png"))
        for path in list_images(images)
    ]
    if not entries:
        raise InputError(f"{images}: holds no images")
    return SceneFiles(entries, label_space=CAMVID11, decode=read_segnet_label, size=size)


def _authors(root: Path, split: str, size: Size | None) -> SceneFiles:
    if split != "all":
        raise InputError(
            f"{root}: the authors' layout has no splits: set split to 'all' and choose frames "
            f"by name pattern (include: ['0016E5_*']); split {split!r} came"
        )
    entries = [
        Entry(path.stem, path, _existing(root / STILL_LABELS / f"{path.stem}_L.png"))
        for path in list_images(root / STILLS)
    ]
    return SceneFiles(entries, label_space=CAMVID11, decode=read_authors_label, size=size)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such label file, but its image is there")
    return path


def read_segnet_label(path: Path) -> Label:
    """Ids 0-10; 11 becomes 255."""
    label = read_ids(path).copy()
    label[label == UNLABELLED] = IGNORE
    return label


def read_authors_label(path: Path) -> Label:
    """Joins the 32 colours to eleven ids; InputError for a colour that is none of them."""
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
        raise InputError(
            f"{path}: the colour {tuple(int(v) for v in colours[row, column])} at row {row}, "
            f"column {column} is none of CamVid's 32 label colours"
        )
    return label
