"""Label spaces: which id means what, how it is drawn, and how spaces are told in each other."""

from driftseg.labels.spaces import (
    CAMVID11,
    CITYSCAPES19,
    IGNORE,
    LABEL_SPACES,
    Colour,
    LabelSpace,
)

__all__ = [
    "CAMVID11",
    "CITYSCAPES19",
    "IGNORE",
    "LABEL_SPACES",
    "Colour",
    "LabelSpace",
]
