"""Tables from the ids in the authors' label files to ids of a label space.

Each table holds all ids that the authors define. Any other id in a file is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from driftseg.labels.spaces import (
    CITYSCAPES19,
    IDD26,
    IDD_LITE7,
    IGNORE,
    SHIFT14,
    SYNTHIA16,
    LabelSpace,
)

IdTable = Mapping[int, int]
"""From an id in a file (0 to 255) to an id of a label space, or 255."""


def id_table(space: LabelSpace, named: Mapping[int, str | None]) -> IdTable:
    """A table from ids with class names; None is a class that the label space does not have.

    255 stays 255 in every table.
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
"""Cityscapes' label ids (Cordts et al. 2016), also of ACDC and Dark Zurich."""

CITYSCAPES_TRAIN_IDS: IdTable = id_table(CITYSCAPES19, dict(enumerate(CITYSCAPES19.classes)))
"""Cityscapes' training ids, equal to those of the label space."""

GTA5_IDS: IdTable = {**CITYSCAPES_IDS, 34: IGNORE}
"""GTA5's palette indices (Richter et al. 2016): Cityscapes' label ids, and 34 for number plates."""

SYNTHIA_IDS: IdTable = id_table(
    SYNTHIA16,
    {
        **dict.fromkeys(range(23)),
        1: "sky",
        2: "building",
        3: "road",
        4: "sidewalk",
        5: "fence",
        6: "vegetation",
        7: "pole",
        8: "car",
        9: "traffic sign",
        10: "person",
        11: "bicycle",
        12: "motorcycle",
        15: "traffic light",
        17: "rider",
        19: "bus",
        21: "wall",
    },
)
"""SYNTHIA-RAND-CITYSCAPES' ids (Ros et al. 2016); parking slots, road works and lane markings (13,
14, 22) have no class, as usual."""

SHIFT_IDS: IdTable = id_table(
    SHIFT14,
    {
        **dict.fromkeys(range(23)),
        1: "building",
        2: "fence",
        4: "pedestrian",
        5: "pole",
        6: "road line",
        7: "road",
        8: "sidewalk",
        9: "vegetation",
        10: "vehicle",
        11: "wall",
        12: "traffic sign",
        13: "sky",
        18: "traffic light",
        22: "terrain",
    },
)
"""SHIFT's ids (Sun et al. 2022), those of its simulator."""

IDD_IDS: IdTable = id_table(IDD26, dict(enumerate(IDD26.classes)))
"""IDD's level 3 ids, equal to those of the label space."""

IDD_LITE_IDS: IdTable = id_table(IDD_LITE7, dict(enumerate(IDD_LITE7.classes)))
"""IDD Lite's ids, equal to those of the label space."""

IDD_NAMES: Mapping[str, str | None] = {
    **{name: name for name in IDD26.classes},
    "parking": "drivable fallback",
    "rail track": "non-drivable fallback",
    "animal": "person",
    "caravan": "vehicle fallback",
    "trailer": "vehicle fallback",
    "train": "vehicle fallback",
    "polegroup": "pole",
    "obs-str-bar-fallback": "structure fallback",
    "tunnel": "bridge",
    "fallback background": "sky",
    "unlabeled": None,
    "ego vehicle": None,
    "rectification border": None,
    "out of roi": None,
    "license plate": None,
}
"""The level 3 ids of IDD's polygon labels, as the authors merge them."""
