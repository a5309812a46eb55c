"""Label spaces: which id means what, and in which colour it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IGNORE = 255
"""The id of pixels that nobody has labelled: never trained on, never scored."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class LabelSpace:
    """Class names in id order with their display colours."""

    name: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.colours):
            raise ValueError(
                f"label space {self.name}: {len(self.classes)} classes, {len(self.colours)} colours"
            )

    def __len__(self) -> int:
        return len(self.classes)

    def paint(self, label: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Colours a label map: (H, W) ids to (H, W, 3) RGB; ids outside the space are black."""
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self)] = self.colours
        return table[label]


CAMVID11 = LabelSpace(
    name="camvid11",
    classes=(
        "sky", "building", "pole", "road", "pavement", "tree",
        "sign", "fence", "car", "pedestrian", "bicyclist",
    ),
    colours=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (0, 0, 192), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
)  # fmt: skip
"""The eleven classes of SegNet's CamVid split (Badrinarayanan et al. 2017), CamVid's colours."""

CITYSCAPES19 = LabelSpace(
    name="cityscapes19",
    classes=(
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
        "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
        "motorcycle", "bicycle",
    ),
    colours=(
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
        (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
        (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
        (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
)  # fmt: skip
"""Cityscapes' training ids (Cordts et al. 2016)."""

LABEL_SPACES = {space.name: space for space in (CAMVID11, CITYSCAPES19)}
