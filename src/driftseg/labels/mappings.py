"""Mappings from one label space to another, class by class.

A class without a counterpart becomes 255. In labels such pixels are unknown. In predictions they
are a class that the other space does not have, which is always wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from driftseg.errors import InputError, commas
from driftseg.labels.spaces import (
    CAMVID11,
    CITYSCAPES19,
    IDD26,
    IDD_LITE7,
    IGNORE,
    SHIFT14,
    SYNTHIA16,
    LabelSpace,
)


@dataclass(frozen=True)
class LabelMapping:
    """The counterpart of every class of one label space in another."""

    source: LabelSpace
    target: LabelSpace
    table: Mapping[str, str | None]
    """From each class of the source to a class of the target; None without a counterpart."""

    def __post_init__(self) -> None:
        told = {name for name in self.table.values() if name is not None}
        if set(self.table) != set(self.source.classes) or not told <= set(self.target.classes):
            raise ValueError(
                f"expected a mapping of every class of {self.source.name} to classes of "
                f"{self.target.name}, got another. To fix: give each class of {self.source.name} a "
                "class or null"
            )

    def apply(self, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Maps ids of the source, of any shape, to ids of the target; 255 stays 255."""
        lookup = np.full(256, IGNORE, dtype=np.uint8)
        for number, name in enumerate(self.source.classes):
            told = self.table[name]
            if told is not None:
                lookup[number] = self.target.classes.index(told)
        return lookup[ids]

    @property
    def lost(self) -> tuple[str, ...]:
        """Classes of the source without a counterpart."""
        return tuple(name for name in self.source.classes if self.table[name] is None)

    @property
    def never(self) -> tuple[str, ...]:
        """Classes of the target without a source class."""
        told = set(self.table.values())
        return tuple(name for name in self.target.classes if name not in told)

    def describe(self) -> str:
        """One line for readers: renamed classes, lost classes, and classes that never occur."""
        changed = [
            f"{name} as {told}"
            for name, told in self.table.items()
            if told is not None and told != name
        ]
        parts = [f"{self.source.title} told in {self.target.title}"]
        if changed:
            parts.append(", ".join(changed))
        if self.lost:
            parts.append(f"without a counterpart: {', '.join(self.lost)}")
        if self.never:
            parts.append(f"never: {', '.join(self.never)}")
        return "; ".join(parts)


def _same(source: LabelSpace, target: LabelSpace, **told: str | None) -> LabelMapping:
    """A mapping: equal names are equal classes; others as given (``_`` for a space), or lost."""
    named = {key.replace("_", " "): name for key, name in told.items()}
    kept = {name: name if name in target.classes else None for name in source.classes}
    return LabelMapping(source, target, {**kept, **named})


_ALL = (
    # As SegNet merged CamVid's 32 classes: walls are building, all plants tree, all lights and
    # signs sign, all four-wheeled vehicles car, riders and their vehicles bicyclist.
    _same(
        CITYSCAPES19, CAMVID11,
        sidewalk="pavement", wall="building", traffic_light="sign", traffic_sign="sign",
        vegetation="tree", terrain="tree", person="pedestrian", rider="bicyclist", truck="car",
        bus="car", train="car", motorcycle="bicyclist", bicycle="bicyclist",
    ),
    # The larger part of each merged class; bicyclist has no larger part.
    _same(
        CAMVID11, CITYSCAPES19,
        pavement="sidewalk", tree="vegetation", sign="traffic sign", pedestrian="person",
    ),
    _same(
        CITYSCAPES19, IDD_LITE7,
        road="drivable", sidewalk="non-drivable", terrain="non-drivable", person="living things",
        rider="living things", car="vehicles", truck="vehicles", bus="vehicles",
        train="vehicles", motorcycle="vehicles", bicycle="vehicles", wall="road side objects",
        fence="road side objects", pole="road side objects", traffic_light="road side objects",
        traffic_sign="road side objects", building="far objects", vegetation="far objects",
    ),
    # A bicyclist is partly a living thing and partly a vehicle.
    _same(
        CAMVID11, IDD_LITE7,
        road="drivable", pavement="non-drivable", pedestrian="living things", car="vehicles",
        pole="road side objects", sign="road side objects", fence="road side objects",
        building="far objects", tree="far objects",
    ),
    # IDD's own hierarchy.
    LabelMapping(
        IDD26, IDD_LITE7,
        dict(zip(
            IDD26.classes,
            [IDD_LITE7.classes[i] for i in [0] * 2 + [1] * 2 + [2] * 2 + [3] * 7 + [4] * 9
             + [5] * 3 + [6]],
            strict=True,
        )),
    ),
    # IDD's own table of Cityscapes' classes: ground that is neither drivable nor sidewalk is
    # terrain. Its third level merges trains with fallback vehicles, so there are no trains.
    _same(IDD26, CITYSCAPES19, **{"non-drivable fallback": "terrain"}),
    # SHIFT has one class of vehicles and one of people and riders; most are cars and people.
    _same(SHIFT14, CITYSCAPES19, pedestrian="person", road_line="road", vehicle="car"),
    _same(
        CITYSCAPES19, SHIFT14,
        person="pedestrian", rider="pedestrian", car="vehicle", truck="vehicle", bus="vehicle",
        train="vehicle", motorcycle="vehicle", bicycle="vehicle",
    ),
    _same(
        SHIFT14, CAMVID11,
        road_line="road", sidewalk="pavement", vegetation="tree", terrain="tree", wall="building",
        traffic_sign="sign", traffic_light="sign", vehicle="car",
    ),
    _same(SYNTHIA16, CITYSCAPES19),
    _same(CITYSCAPES19, SYNTHIA16),
)  # fmt: skip

MAPPINGS = {(mapping.source.name, mapping.target.name): mapping for mapping in _ALL}
"""All built-in mappings, by the names of the two label spaces."""


def find_mapping(source: LabelSpace, target: LabelSpace) -> LabelMapping | None:
    """The built-in mapping of one space to another, or to itself; None if there is none."""
    if source == target:
        return LabelMapping(source, target, {name: name for name in source.classes})
    return MAPPINGS.get((source.name, target.name))


Stated = dict[str, str | None] | str
"""A mapping in a config: each class of one space -> one of the other or null; or a preset's name
(``cityscapes19 to camvid11``), or the path of a YAML file."""
PRESETS = {f"{source} to {target}": mapping for (source, target), mapping in MAPPINGS.items()}
"""The built-in mappings by their names in configs."""


def mapping_between(
    source: LabelSpace, target: LabelSpace, stated: Stated | None, *, where: str = "mapping"
) -> LabelMapping | None:
    """The mapping of one label space to another: a stated or a built-in one.

    Args:
        source: of the ids.
        target: to which they are mapped.
        stated: the mapping's table, name or file; None takes a built-in one.
        where: the setting, for messages.

    Returns:
        None if nothing is stated and there is no built-in mapping.

    Raises:
        InputError: the table names other classes, or leaves out classes of the source.
    """
    if stated is None:
        return find_mapping(source, target)
    table: Mapping[str, str | None]
    if isinstance(stated, str) and stated in PRESETS:
        table = PRESETS[stated].table
    else:
        where = stated if isinstance(stated, str) else where
        table = read_table(Path(stated)) if isinstance(stated, str) else stated
    for named, space in ((table, source), (filter(None, table.values()), target)):
        unknown = [name for name in named if name not in space.classes]
        if unknown:
            near = difflib.get_close_matches(unknown[0], space.classes, n=1, cutoff=0.6)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(
                f"{where}: expected classes of {space.name}, got {commas(unknown)}. To fix: "
                f"take some of {commas(space.classes)}{hint}"
            )
    # Equal names are equal classes, so they need no line.
    told = {name: name for name in source.classes if name in target.classes} | dict(table)
    if missing := [name for name in source.classes if name not in told]:
        raise InputError(
            f"{where}: expected every class of {source.name}, got a mapping without "
            f"{commas(missing)}. To fix: give each a class of {target.name} "
            f"({', '.join(target.classes)}), or null"
        )
    return LabelMapping(source, target, {name: told[name] for name in source.classes})


def read_table(path: Path) -> dict[str, str | None]:
    """A mapping's table from a YAML file.

    Raises:
        InputError: there is no such file, or it is not valid.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected a file of a mapping, got a path where there is none. To fix: check "
            f"the path, or take one of {commas(PRESETS)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected a readable file of a mapping, got an error ({error}). To fix: check "
            "the file and its permissions"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(
            f"{path}: expected YAML, got {' '.join(str(error).split())}. To fix: correct that line"
        ) from None
    if not isinstance(values, dict) or not all(
        isinstance(key, str) and (value is None or isinstance(value, str))
        for key, value in values.items()
    ):
        raise InputError(
            f"{path}: expected lines such as 'their class: our class' or '...: null', got "
            "something else. To fix: write one line for each class"
        )
    return values
