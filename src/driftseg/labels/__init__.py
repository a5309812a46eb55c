"""Label spaces: which id means what, how it is drawn, and how one space is told in another."""

from driftseg.labels.mappings import MAPPINGS, LabelMapping, find_mapping
from driftseg.labels.spaces import (
    CAMVID11,
    CITYSCAPES19,
    IDD26,
    IDD_LITE7,
    IGNORE,
    LABEL_SPACES,
    SHIFT14,
    SYNTHIA16,
    Colour,
    LabelSpace,
    named_space,
)

__all__ = [
    "CAMVID11",
    "CITYSCAPES19",
    "IDD26",
    "IDD_LITE7",
    "IGNORE",
    "LABEL_SPACES",
    "MAPPINGS",
    "SHIFT14",
    "SYNTHIA16",
    "Colour",
    "LabelMapping",
    "LabelSpace",
    "find_mapping",
    "named_space",
]
