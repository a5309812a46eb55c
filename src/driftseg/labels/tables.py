"""Ids as the authors' label files store them, told in the ids of a label space.

Every table holds each id that the authors define; one that is in no table is a mistake in the
file and refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from driftseg.labels.spaces import CITYSCAPES19, IGNORE, LabelSpace

IdTable = Mapping[int, int]
"""From an id in a file (0 to 255) to one of a label space, or 255."""


def id_table(space: LabelSpace, named: Mapping[int, str | None]) -> IdTable:
    """A table from ids with class names; None is a class that the space does not hold.

    255 stands for itself in every table.
    """
    ids = {name: number for number, name in enumerate(space.classes)}
    told = {key: IGNORE if name is None else ids[name] for key, name in named.items()}
    return {IGNORE: IGNORE, **told}


CITYSCAPES_IDS: IdTable = id_table(
    CITYSCAPES19,
    {
        **dict.fromkeys(range(34)),
        7: "road",
        8: "sidewalk",
        11: "building",
        12: "wall",
        13: "fence",
        17: "pole",
        19: "traffic light",
        20: "traffic sign",
        21: "vegetation",
        22: "terrain",
        23: "sky",
        24: "person",
        25: "rider",
        26: "car",
        27: "truck",
        28: "bus",
        31: "train",
        32: "motorcycle",
        33: "bicycle",
    },
)
"""Cityscapes' label ids (Cordts et al. 2016); also GTA5's, ACDC's and Dark Zurich's."""

CITYSCAPES_TRAIN_IDS: IdTable = id_table(CITYSCAPES19, dict(enumerate(CITYSCAPES19.classes)))
"""Cityscapes' training ids, which are the label space's own."""
