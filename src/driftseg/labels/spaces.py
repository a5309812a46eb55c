"""Label spaces: classes by id, and their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError, commas

IGNORE = 255
"""The id of pixels without a label: not used in training, not scored."""

Colour = tuple[int, int, int]

OWN = "own"
"""Name of every label space that is not a preset."""
GROUND = (
    "road", "pavement", "sidewalk", "terrain", "road line", "curb", "drivable", "non-drivable",
    "drivable fallback", "non-drivable fallback",
)  # fmt: skip
"""Default names of classes in the road plane."""
SKY = ("sky",)
"""Default names of classes at infinite distance."""

POROUS = ("tree", "vegetation", "pole", "sign", "traffic sign", "traffic light", "fence")
"""Names of classes through which the sky is visible."""
LAMPS = (
    "traffic light", "traffic sign", "sign", "car", "truck", "bus", "train", "vehicle",
    "motorcycle",
)  # fmt: skip
"""Names of classes that carry lamps."""


@dataclass(frozen=True)
class LabelSpace:
    """Class names in id order with their display colours.

    Two label spaces are equal if their names and classes are equal; colours do not count.
    """

    name: str
    """Name of a preset, or `OWN`."""
    classes: tuple[str, ...]
    colours: tuple[Colour, ...] = field(compare=False)
    ground: tuple[str, ...] | None = field(default=None, compare=False)
    """Classes in the road plane, for weather; None takes those in `GROUND`."""
    sky: tuple[str, ...] | None = field(default=None, compare=False)
    """Classes at infinite distance; None takes those in `SKY`."""

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.colours):
            raise ValueError(
                f"label space {self.name}: expected a colour for each of {len(self.classes)} "
                f"classes, got {len(self.colours)} colours. To fix: give each class a colour"
            )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def title(self) -> str:
        """Its name in messages: a preset's name, or the classes."""
        if self.name != OWN:
            return self.name
        first = ", ".join(self.classes[:8])
        more = f" and {len(self) - 8} more" if len(self) > 8 else ""
        return f"own classes ({first}{more})"

    @property
    def phrase(self) -> str:
        """The same after a comma: ``classes of camvid11``, or ``own classes (...)``."""
        return self.title if self.name == OWN else f"classes of {self.name}"

    @property
    def ground_ids(self) -> list[int]:
        """Ids of the classes in the road plane; empty if there are none."""
        return self._ids(GROUND if self.ground is None else self.ground)

    @property
    def sky_ids(self) -> list[int]:
        """Ids of the classes at infinite distance; empty if there are none."""
        return self._ids(SKY if self.sky is None else self.sky)

    @property
    def porous_ids(self) -> list[int]:
        """Ids of the classes through which the sky is visible; empty if there are none."""
        return self._ids(POROUS)

    @property
    def lamp_ids(self) -> list[int]:
        """Ids of the classes that carry lamps; empty if there are none."""
        return self._ids(LAMPS)

    def _ids(self, names: Sequence[str]) -> list[int]:
        return [number for number, name in enumerate(self.classes) if name in names]

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

SYNTHIA16 = LabelSpace(
    name="synthia16",
    classes=tuple(
        name for name in CITYSCAPES19.classes if name not in ("terrain", "truck", "train")
    ),
    colours=tuple(
        colour
        for name, colour in zip(CITYSCAPES19.classes, CITYSCAPES19.colours, strict=True)
        if name not in ("terrain", "truck", "train")
    ),
)
"""Cityscapes' classes that SYNTHIA has (Ros et al. 2016), in Cityscapes' order."""

SHIFT14 = LabelSpace(
    name="shift14",
    classes=(
        "building", "fence", "pedestrian", "pole", "road line", "road", "sidewalk", "vegetation",
        "vehicle", "wall", "traffic sign", "sky", "traffic light", "terrain",
    ),
    colours=(
        (70, 70, 70), (100, 40, 40), (220, 20, 60), (153, 153, 153), (157, 234, 50),
        (128, 64, 128), (244, 35, 232), (107, 142, 35), (0, 0, 142), (102, 102, 156),
        (220, 220, 0), (70, 130, 180), (250, 170, 30), (145, 170, 100),
    ),
)  # fmt: skip
"""The fourteen of SHIFT's 23 ids (Sun et al. 2022) that are scored in segmentation, in their order;
SHIFT has one class for all vehicles and one for all people."""

IDD26 = LabelSpace(
    name="idd26",
    classes=(
        "road", "drivable fallback", "sidewalk", "non-drivable fallback", "person", "rider",
        "motorcycle", "bicycle", "autorickshaw", "car", "truck", "bus", "vehicle fallback",
        "curb", "wall", "fence", "guard rail", "billboard", "traffic sign", "traffic light",
        "pole", "structure fallback", "building", "bridge", "vegetation", "sky",
    ),
    colours=(
        (128, 64, 128), (81, 0, 81), (244, 35, 232), (152, 251, 152), (220, 20, 60), (255, 0, 0),
        (0, 0, 230), (119, 11, 32), (255, 204, 54), (0, 0, 142), (0, 0, 70), (0, 60, 100),
        (136, 143, 153), (220, 190, 40), (102, 102, 156), (190, 153, 153), (180, 165, 180),
        (174, 64, 67), (220, 220, 0), (250, 170, 30), (153, 153, 153), (169, 187, 214),
        (70, 70, 70), (150, 100, 100), (107, 142, 35), (70, 130, 180),
    ),
)  # fmt: skip
"""The third level of IDD's hierarchy (Varma et al. 2019)."""

IDD_LITE7 = LabelSpace(
    name="idd_lite7",
    classes=(
        "drivable", "non-drivable", "living things", "vehicles", "road side objects",
        "far objects", "sky",
    ),
    colours=(
        (128, 64, 128), (244, 35, 232), (220, 20, 60), (0, 0, 142), (220, 220, 0), (107, 142, 35),
        (70, 130, 180),
    ),
)  # fmt: skip
"""The first level of IDD's hierarchy, used by IDD Lite (Mishra et al. 2019)."""

LABEL_SPACES = {
    space.name: space for space in (CAMVID11, CITYSCAPES19, SYNTHIA16, SHIFT14, IDD26, IDD_LITE7)
}


def named_space(name: str, where: str) -> LabelSpace:
    """The built-in label space of that name.

    Args:
        name: of `LABEL_SPACES`.
        where: the setting that names it, for the error.

    Raises:
        InputError: there is no such label space.
    """
    if name not in LABEL_SPACES:
        raise InputError(
            f"{where}: expected a known label space, got {name!r}. To fix: take one of "
            f"{commas(LABEL_SPACES)}"
        )
    return LABEL_SPACES[name]


def palette(number: int, taken: Sequence[Colour] = ()) -> list[Colour]:
    """A fixed list of colours that are easy to distinguish.

    It is the colour map of PASCAL VOC without black: the bits of a number, the lowest first, go to
    the highest bits of red, green and blue in turn.

    Args:
        number: of colours, at most 255.
        taken: colours to leave out.
    """
    every = (_voc_colour(index) for index in range(1, 256))
    free = [colour for colour in every if colour not in taken]
    return free[:number]


def _voc_colour(index: int) -> Colour:
    channels = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return channels[0], channels[1], channels[2]


def space_of(classes: Sequence[str], colours: Sequence[Colour] = ()) -> LabelSpace:
    """The label space of these classes: the preset with them in this order, or a new one.

    Args:
        classes: names in id order.
        colours: of the classes; empty takes the preset's or the `palette`.
    """
    names = tuple(classes)
    preset = next((space for space in LABEL_SPACES.values() if space.classes == names), None)
    if preset is not None:
        return preset
    return LabelSpace(OWN, names, tuple(colours) or tuple(palette(len(names))))


def colours_of(space: str, classes: Sequence[str]) -> tuple[Colour, ...]:
    """Colours of classes for a record that has only their names.

    Args:
        space: name of their label space.
        classes: their names.
    """
    preset = LABEL_SPACES.get(space)
    known = {} if preset is None else dict(zip(preset.classes, preset.colours, strict=True))
    drawn = palette(len(classes), taken=[known[name] for name in classes if name in known])
    return tuple(known.get(name, colour) for name, colour in zip(classes, drawn, strict=True))
