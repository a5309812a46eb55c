"""The objects on Town's streets, generated block by block from a seed.

All objects of a lane move along the street at the lane's speed. Their positions follow from the
seed and the time, so any frame can be rendered without the frames before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.town import shapes
from driftseg.town.canvas import Colour, Pattern
from driftseg.town.shapes import Thing

PIECE = 5.0
"""Metres. Walls consist of pieces of this length, and objects are generated for each piece."""
BLOCK = 14
"""Pieces from one side street to the next."""
CROSSING = 2
"""Pieces of each block that form the side street."""
ROAD_EDGE, WALK_EDGE = 4.4, 8.0
"""Metres from the middle of the road to the kerb, and to the end of the pavement."""


@dataclass(frozen=True)
class Style:
    """Appearance of one block."""

    sides: tuple[str, str]
    """Left and right: terrace, park or yard."""
    road: Colour
    pavement: Colour
    grass: Colour
    light: float
    """Brightness of the daylight."""
    warmth: float
    """Tint of the daylight; above 0 is warmer."""
    shadow: float
    """Strength of shadows on the ground; 0 is none."""


class Street:
    """All objects along one endless street.

    Args:
        seed: another seed gives another street.
    """

    def __init__(self, seed: int):
        self._seed = seed
        draw = np.random.default_rng([seed, 1])
        self._bends = [
            (draw.uniform(1.5, 6.0), draw.uniform(55, 120), draw.uniform(0, 6.3)),
            (draw.uniform(0.3, 1.2), draw.uniform(28, 45), draw.uniform(0, 6.3)),
        ]
        self.style: Callable[[int], Style] = lru_cache(64)(self._style)
        self._standing = lru_cache(256)(self._make_standing)
        self._moving = lru_cache(512)(self._make_moving)

    def bend(self, along: float, travelled: float) -> float:
        """Sideways offset of the road at ``along``, in metres; it is straight at ``travelled``."""
        total = 0.0
        for size, length, phase in self._bends:
            here = travelled / length + phase
            there = along / length + phase
            total += size * (math.sin(there) - math.sin(here) - (there - here) * math.cos(here))
        return total

    def bends(self, along: npt.NDArray[Any], travelled: float) -> npt.NDArray[Any]:
        """`bend` for an array."""
        total = np.zeros_like(along)
        for size, length, phase in self._bends:
            here = travelled / length + phase
            there = along / length + phase
            total += size * (np.sin(there) - math.sin(here) - (there - here) * math.cos(here))
        return total

    @staticmethod
    def is_crossing(piece: int) -> bool:
        """Whether a side street opens at this piece."""
        return piece % BLOCK >= BLOCK - CROSSING

    def things(self, piece: int, clock: float) -> list[Thing]:
        """All objects whose near end lies in [piece, piece + 1) * PIECE at ``clock`` seconds."""
        found = list(self._standing(piece))
        start, stop = piece * PIECE, (piece + 1) * PIECE
        for lane, speed in enumerate(_SPEEDS):
            shift = speed * clock
            first = math.floor((start - shift) / PIECE)
            for part in (first, first + 1):
                for thing in self._moving(lane, part):
                    along = thing.along + shift
                    if start <= along < stop:
                        found.append(replace(thing, along=along))
        return found

    def _style(self, block: int) -> Style:
        draw = np.random.default_rng([self._seed, 2, block % 2**31])
        grey = draw.uniform(72, 128)
        walk = grey * draw.uniform(0.95, 1.4)
        tint = draw.uniform(-8, 8, 2)
        kinds = ("terrace", "terrace", "park", "yard")
        return Style(
            sides=(kinds[draw.integers(4)], kinds[draw.integers(4)]),
            road=(grey, grey + tint[0] * 0.4, grey + tint[0]),
            pavement=(walk + tint[1], walk, walk - tint[1]),
            grass=(draw.uniform(70, 110), draw.uniform(95, 130), draw.uniform(45, 75)),
            light=float(np.exp(draw.uniform(math.log(0.68), math.log(1.3)))),
            warmth=draw.uniform(-0.06, 0.1),
            shadow=draw.uniform(0.0, 0.45),
        )

    def _make_standing(self, piece: int) -> tuple[Thing, ...]:
        draw = np.random.default_rng([self._seed, 3, piece % 2**31])
        style = self.style(piece // BLOCK)
        found: list[Thing] = []
        for side, kind in zip((-1, 1), style.sides, strict=True):
            if not self.is_crossing(piece):
                found += self._border(piece, side, kind, draw)
            elif piece % BLOCK == BLOCK - CROSSING and draw.random() < 0.85:
                found.append(_sign(draw, piece * PIECE, side * (ROAD_EDGE + 0.6), light=True))
            found += _furniture(draw, piece, side, self.is_crossing(piece))
        return tuple(found)

    def _border(self, piece: int, side: int, kind: str, draw: np.random.Generator) -> list[Thing]:
        """The objects behind the pavement."""
        along, edge = piece * PIECE, side * WALK_EDGE
        if kind == "terrace":
            return [self._house(piece, side, edge)]
        found = []
        if kind == "yard":
            house = self._house(piece, side, side * (WALK_EDGE + 5.0))
            found.append(house)
            if draw.random() < 0.5:
                found.append(_tree(draw, along + draw.uniform(0, 4), edge + side * 2.5))
        else:
            for _ in range(2):
                out = side * draw.uniform(1.5, 9.0)
                found.append(_tree(draw, along + draw.uniform(0, 5), edge + out))
        wall = np.random.default_rng([self._seed, 4, piece // 3 % 2**31, side + 1])
        chance = wall.random()
        if chance < 0.72:
            found.append(_fence(wall, along, edge))
        elif chance < 0.88:
            green = _green(wall)
            found.append(Thing(shapes.hedge, along, edge, green, (wall.uniform(0.8, 1.7),), PIECE))
        return found

    def _house(self, piece: int, side: int, lateral: float) -> Thing:
        """A piece of the house at this place; houses are one or two pieces wide."""
        part = piece % BLOCK
        house = piece // BLOCK * 8 + part * 8 // BLOCK
        draw = np.random.default_rng([self._seed, 5, house % 2**31, side + 1])
        base = draw.uniform(70, 205)
        colour = (
            base * draw.uniform(0.95, 1.2), base * draw.uniform(0.82, 1.02),
            base * draw.uniform(0.6, 1.05),
        )  # fmt: skip
        glass = draw.uniform(30, 95)
        storey = draw.uniform(2.8, 3.6)
        window = Pattern(
            (glass, glass * 1.05, glass * 1.15),
            (draw.uniform(1.8, 3.4), storey),
            (draw.uniform(0.35, 0.6), draw.uniform(0.4, 0.62)),
            draw.uniform(0, 3),
        )
        height = storey * draw.integers(2, 6) + 0.6
        before = (part - 1) * 8 // BLOCK if part else -1
        first = before != part * 8 // BLOCK
        return Thing(
            shapes.building, piece * PIECE, lateral, colour,
            (float(height), 9.0 if first else 0.0), PIECE, window,
        )  # fmt: skip

    def _make_moving(self, lane: int, part: int) -> tuple[Thing, ...]:
        draw = np.random.default_rng([self._seed, 6, lane, part % 2**31])
        along = part * PIECE + draw.uniform(0, PIECE)
        if draw.random() >= _CROWDS[lane]:
            return ()
        return (_LANE_MAKERS[lane](draw, along),)


def _green(draw: np.random.Generator) -> Colour:
    base = draw.uniform(45, 95)
    return (
        base * draw.uniform(0.7, 1.25), base * draw.uniform(0.95, 1.25),
        base * draw.uniform(0.45, 0.8),
    )  # fmt: skip


def _tree(draw: np.random.Generator, along: float, lateral: float) -> Thing:
    height = draw.uniform(4.0, 9.5)
    values = (height, height * draw.uniform(0.26, 0.4), float(draw.integers(2**31)))
    return Thing(shapes.tree, along, lateral, _green(draw), values)


def _fence(draw: np.random.Generator, along: float, lateral: float) -> Thing:
    shade = draw.uniform(35, 190)
    colour = (shade * draw.uniform(0.95, 1.15), shade, shade * draw.uniform(0.7, 1.0))
    slats = Pattern(
        (shade * 0.45, shade * 0.5, shade * 0.42),
        (draw.uniform(0.2, 0.6), 10.0),
        (draw.uniform(0.2, 0.6), 1.0),
    )
    return Thing(shapes.fence, along, lateral, colour, (draw.uniform(1.0, 2.0),), PIECE, slats)


def _sign(draw: np.random.Generator, along: float, lateral: float, *, light: bool) -> Thing:
    kind = 3 if light and draw.random() < 0.65 else int(draw.integers(3))
    colours = ((186.0, 30.0, 34.0), (34.0, 66.0, 150.0), (32.0, 100.0, 62.0), (205.0, 160.0, 40.0))
    size = draw.uniform(0.5, 0.9)
    values = (float(kind), draw.uniform(2.0, 3.1), size)
    return Thing(shapes.sign, along, lateral, colours[draw.integers(4)], values)


def _furniture(draw: np.random.Generator, piece: int, side: int, crossing: bool) -> list[Thing]:
    """Posts, signs, street trees, parked cars and standing people."""
    along, kerb = piece * PIECE, side * (ROAD_EDGE + 0.5)
    found = []
    if (piece + (side > 0) * 2) % 5 == 0:
        shade = draw.uniform(50, 150)
        values = (draw.uniform(5.0, 8.0), draw.uniform(0.14, 0.24))
        found.append(Thing(shapes.lamp, along, kerb, (shade, shade, shade * 0.95), values))
    if crossing:
        return found
    if draw.random() < 0.2:
        found.append(_sign(draw, along + draw.uniform(0, 4), kerb, light=False))
    if draw.random() < 0.1:
        found.append(_tree(draw, along + draw.uniform(0, 4), kerb + side * 0.4))
    if draw.random() < 0.2:
        found.append(_car(draw, along, side * (ROAD_EDGE - 0.7), oncoming=side < 0))
    if draw.random() < 0.1:
        lateral = side * draw.uniform(4.9, 7.6)
        found.append(_pedestrian(draw, along + draw.uniform(0, 4), lateral))
    return found


def _car(draw: np.random.Generator, along: float, lateral: float, *, oncoming: bool) -> Thing:
    paints = (
        (205.0, 205.0, 205.0), (120.0, 124.0, 130.0), (34.0, 36.0, 40.0), (150.0, 26.0, 30.0),
        (38.0, 62.0, 120.0), (66.0, 90.0, 70.0), (196.0, 178.0, 140.0), (90.0, 96.0, 104.0),
    )  # fmt: skip
    van = draw.random() < 0.18
    height = draw.uniform(1.9, 2.5) if van else draw.uniform(1.35, 1.7)
    values = (
        draw.uniform(1.65, 1.95), height, 0.16 if van else draw.uniform(0.26, 0.36),
        float(oncoming),
    )  # fmt: skip
    length = draw.uniform(3.7, 4.8)
    return Thing(shapes.car, along, lateral, paints[draw.integers(8)], values, length)


def _clothes(draw: np.random.Generator) -> Colour:
    base = draw.uniform(30, 190)
    return (
        base * draw.uniform(0.5, 1.3),
        base * draw.uniform(0.5, 1.1),
        base * draw.uniform(0.5, 1.3),
    )


def _pedestrian(draw: np.random.Generator, along: float, lateral: float) -> Thing:
    values = (draw.uniform(1.5, 1.9), draw.uniform(20, 90), draw.uniform(110, 215))
    return Thing(shapes.pedestrian, along, lateral, _clothes(draw), values)


def _cyclist(draw: np.random.Generator, along: float, lateral: float) -> Thing:
    values = (draw.uniform(1.5, 1.8), draw.uniform(20, 90), draw.uniform(110, 215))
    return Thing(shapes.cyclist, along, lateral, _clothes(draw), values)


# Lanes: speed along the street in metres per second, share of pieces with an object, its kind.
_SPEEDS = (11.0, -9.0, 5.5, -4.5, 1.3, -1.2, 1.1, -1.4)
_CROWDS = (0.13, 0.13, 0.13, 0.13, 0.18, 0.18, 0.18, 0.18)
_LANE_MAKERS: tuple[Callable[[np.random.Generator, float], Thing], ...] = (
    lambda draw, along: _car(draw, along, -1.5 + draw.normal(0, 0.15), oncoming=False),
    lambda draw, along: _car(draw, along, 1.6 + draw.normal(0, 0.15), oncoming=True),
    lambda draw, along: _cyclist(draw, along, -3.4 + draw.normal(0, 0.2)),
    lambda draw, along: _cyclist(draw, along, 3.4 + draw.normal(0, 0.2)),
    lambda draw, along: _pedestrian(draw, along, draw.uniform(5.0, 7.7)),
    lambda draw, along: _pedestrian(draw, along, draw.uniform(5.0, 7.7)),
    lambda draw, along: _pedestrian(draw, along, -draw.uniform(5.0, 7.7)),
    lambda draw, along: _pedestrian(draw, along, -draw.uniform(5.0, 7.7)),
)
