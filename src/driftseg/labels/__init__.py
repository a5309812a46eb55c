"""Label spaces: classes by id, their colours, and mappings between label spaces."""

from driftseg.labels.classes import Classes, ClassesSettings, classes_beside, named_classes
from driftseg.labels.mappings import MAPPINGS, LabelMapping, find_mapping, mapping_between
from driftseg.labels.spaces import (
    CAMVID11,
    CITYSCAPES19,
    GROUND,
    IDD26,
    IDD_LITE7,
    IGNORE,
    LABEL_SPACES,
    SHIFT14,
    SKY,
    SYNTHIA16,
    Colour,
    LabelSpace,
    colours_of,
    named_space,
    space_of,
)

__all__ = [
    "CAMVID11",
    "CITYSCAPES19",
    "GROUND",
    "IDD26",
    "IDD_LITE7",
    "IGNORE",
    "LABEL_SPACES",
    "MAPPINGS",
    "SHIFT14",
    "SKY",
    "SYNTHIA16",
    "Classes",
    "ClassesSettings",
    "Colour",
    "LabelMapping",
    "LabelSpace",
    "classes_beside",
    "colours_of",
    "find_mapping",
    "mapping_between",
    "named_classes",
    "named_space",
    "space_of",
]
