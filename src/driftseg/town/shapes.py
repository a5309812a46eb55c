"""Paints each object of Town: from its place on the street to polygons on the canvas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from driftseg.labels import CAMVID11
from driftseg.town.canvas import ALONG, Canvas, Colour, Material, Pattern

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(
    len(CAMVID11)
)

NEAREST = 1.2
"""Metres: nothing nearer is painted."""
FAR = 45.0
"""Metres. Farther objects are painted without parts that are smaller than a pixel."""


@dataclass(frozen=True)
class Thing:
    """One object on the street, in street coordinates.

    ``paint`` is a function of this file. ``values`` are its dimensions, fixed with the street.
    """

    paint: Callable[[Canvas, Thing, Place], None]
    along: float
    """Position of its near end along the street, in metres."""
    lateral: float
    """Metres from the middle of the road, positive to the right."""
    colour: Colour
    values: tuple[float, ...] = ()
    length: float = 0.0
    """Length along the street, in metres."""
    pattern: Pattern | None = None


@dataclass(frozen=True)
class Place:
    """Place of an object at one moment (metres, camera coordinates)."""

    near: tuple[float, float]
    """(x, z) of its near end."""
    far: tuple[float, float]
    """(x, z) of its far end."""
    walk: float
    """Phase of a walk or a wheel, in radians."""


def darker(colour: Colour, factor: float) -> Colour:
    """The colour times a factor."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _facing(
    canvas: Canvas, material: Material, place: Place, corners: Sequence[tuple[float, float]]
) -> None:
    """Paints a flat shape that faces the camera; corners are (x from the object, height)."""
    x, z = place.near
    surface = canvas.surface(material, canvas.view.facing(z))
    canvas.fill(surface, [canvas.view.project(x + dx, y, z) for dx, y in corners])


def _wall(
    canvas: Canvas, material: Material, place: Place, corners: Sequence[tuple[float, float]]
) -> None:
    """Paints a flat upright shape along the street; corners are (share of its length, height)."""
    (x1, z1), (x2, z2) = place.near, place.far
    surface = canvas.surface(material, canvas.view.upright(place.near, place.far))
    project = canvas.view.project
    canvas.fill(surface, [project(x1 + t * (x2 - x1), y, z1 + t * (z2 - z1)) for t, y in corners])


def _box(width: float, low: float, high: float, middle: float = 0.0) -> list[tuple[float, float]]:
    left, right = middle - width / 2, middle + width / 2
    return [(left, low), (right, low), (right, high), (left, high)]


def _disc(x: float, y: float, radius: float, corners: int = 10) -> list[tuple[float, float]]:
    turns = [2 * math.pi * (i + 0.5) / corners for i in range(corners)]
    return [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns]


def building(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A piece of a terrace: values = height, depth away from the street (0: no end wall)."""
    height, deep = thing.values
    material = Material(BUILDING, thing.colour, 0.13, 22.0, ALONG, thing.pattern)
    _wall(canvas, material, place, [(0, 0), (1, 0), (1, height), (0, height)])
    plinth = Material(BUILDING, darker(thing.colour, 0.62), 0.12, 22.0, ALONG)
    _wall(canvas, plinth, place, [(0, 0), (1, 0), (1, 0.7), (0, 0.7)])
    if deep > 0 and place.near[1] > NEAREST:
        side = math.copysign(deep, place.near[0])
        gable = Material(BUILDING, darker(thing.colour, 0.8), 0.13, 22.0)
        corners = [(0.0, 0.0), (side, 0.0), (side, height), (side / 2, height * 1.18), (0, height)]
        _facing(canvas, gable, place, corners)


def fence(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A fence along the street: values = height."""
    (height,) = thing.values
    material = Material(FENCE, thing.colour, 0.1, 30.0, ALONG, thing.pattern)
    _wall(canvas, material, place, [(0, 0), (1, 0), (1, height), (0, height)])
    rail = Material(FENCE, darker(thing.colour, 0.8), 0.05, 30.0, ALONG)
    _wall(canvas, rail, place, [(0, height - 0.1), (1, height - 0.1), (1, height), (0, height)])


def tree(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A trunk and an irregular crown: values = height, crown radius, shape seed."""
    height, radius, seed = thing.values
    bark = Material(TREE, (72.0, 60.0, 48.0), 0.2, 30.0)
    _facing(canvas, bark, place, _box(0.12 + radius * 0.1, 0, height - radius))
    crown = _crown(int(seed)) * radius + (0.0, height - radius * 0.9)
    x, z = place.near
    origin = canvas.view.project(x, 0.0, z)
    scale = canvas.view.focal / z
    for blob, outline in enumerate(crown if z < FAR else crown[:1]):
        leaf = Material(TREE, darker(thing.colour, 0.8 + 0.16 * blob), 0.42, 14.0)
        surface = canvas.surface(leaf, canvas.view.facing(z))
        canvas.fill(surface, origin + outline * (scale, -scale))


@lru_cache(4096)
def _crown(seed: int) -> npt.NDArray[np.float64]:
    """Three irregular outlines around the origin, in crown radii: (3, 18, 2)."""
    shape = np.random.default_rng(seed)
    turns = np.arange(18) * (2 * math.pi / 18)
    reach = 0.62 + 0.1 * np.arange(3)[:, None] + 0.5 * shape.random((3, 18))
    outlines = np.stack([reach * np.cos(turns), 0.95 * reach * np.sin(turns)], axis=-1)
    return np.asarray(outlines + shape.normal(0, 0.28, (3, 1, 2)))


def hedge(canvas: Canvas, thing: Thing, place: Place) -> None:
    """Bushes along the street: values = height."""
    (height,) = thing.values
    material = Material(TREE, thing.colour, 0.4, 12.0, ALONG)
    steps = [(t / 6, height * (0.85 + 0.15 * math.sin(thing.along * 3 + t))) for t in range(7)]
    _wall(canvas, material, place, [(0.0, 0.0), *steps, (1.0, 0.0)])


def lamp(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A lamp post with an arm over the road: values = height, thickness."""
    height, thick = thing.values
    material = Material(POLE, thing.colour, 0.06, 30.0)
    _facing(canvas, material, place, _box(thick, 0, height))
    inward = -math.copysign(1.6, thing.lateral)
    _facing(
        canvas, material, place,
        [(0, height - 0.18), (inward, height + 0.05), (inward, height + 0.2), (0, height)],
    )  # fmt: skip


def sign(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A plate on a post: values = kind (0 disc, 1 triangle, 2 board, 3 light), height, size."""
    kind, height, size = thing.values
    post = Material(POLE, (112.0, 114.0, 112.0), 0.06, 30.0)
    _facing(canvas, post, place, _box(0.11, 0, height))
    rim = Material(SIGN, thing.colour, 0.05, 30.0)
    inner = Material(SIGN, (226.0, 226.0, 220.0), 0.05, 30.0)
    middle = height + size * 0.4
    if kind == 0:
        _facing(canvas, rim, place, _disc(0, middle, size * 0.55))
        _facing(canvas, inner, place, _disc(0, middle, size * 0.38))
    elif kind == 1:
        for material, s in ((rim, size * 0.65), (inner, size * 0.38)):
            _facing(
                canvas, material, place,
                [(-s, middle - s * 0.7), (s, middle - s * 0.7), (0, middle + s)],
            )  # fmt: skip
    elif kind == 2:
        _facing(canvas, rim, place, _box(size * 2.0, height, height + size * 1.1))
        _facing(canvas, inner, place, _box(size * 1.5, height + size * 0.6, height + size * 0.75))
    else:
        case = Material(SIGN, (38.0, 40.0, 38.0), 0.1, 30.0)
        _facing(canvas, case, place, _box(size * 0.6, height - size, height + size * 0.6))
        lights = ((230.0, 60.0, 40.0), (120.0, 100.0, 40.0), (40.0, 110.0, 70.0))
        for i, colour in enumerate(lights):
            light = Material(SIGN, colour, 0.02, 30.0)
            _facing(canvas, light, place, _disc(0, height + size * (0.3 - 0.5 * i), size * 0.18, 6))


def car(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A car or van seen from behind or ahead: values = width, height, bonnet share, oncoming."""
    width, height, bonnet, oncoming = thing.values
    (x1, z1), (x2, z2) = place.near, place.far
    waist = height * 0.56
    roof = (0.1, 1 - bonnet) if oncoming < 0.5 else (bonnet, 0.9)
    side = -width / 2 if (x1 + x2) / 2 > 0 else width / 2
    flank = Place((x1 + side, z1), (x2 + side, z2), place.walk)
    glass = (46.0, 54.0, 62.0)
    if abs((x1 + x2) / 2) > width / 2 and z1 < FAR:
        body = Material(CAR, darker(thing.colour, 0.78), 0.04, 20.0, ALONG)
        outline = [(0, 0.25), (1, 0.25), (1, waist), (roof[1], height), (roof[0], height),
                   (0, waist)]  # fmt: skip
        _wall(canvas, body, flank, outline)
        pane = Material(CAR, glass, 0.1, 10.0, ALONG)
        top = height - 0.12
        _wall(
            canvas, pane, flank,
            [(roof[0], waist), (roof[1] + 0.06, waist), (roof[1], top), (roof[0] + 0.05, top)],
        )  # fmt: skip
        tyre = Material(CAR, (24.0, 24.0, 26.0), 0.1, 20.0, ALONG)
        length = max(z2 - z1, 1.0)
        for middle in (0.2, 0.8):
            wheel = [(middle + (x - middle) / length, y) for x, y in _disc(middle, 0.33, 0.33)]
            _wall(canvas, tyre, flank, wheel)
    paint = Material(CAR, thing.colour, 0.04, 20.0)
    if z1 > FAR:
        _facing(canvas, paint, place, _box(width, 0.1, waist))
        _facing(canvas, Material(CAR, glass), place, _box(width * 0.88, waist, height))
        return
    dark = Material(CAR, (22.0, 22.0, 24.0), 0.05, 20.0)
    _facing(canvas, dark, place, _box(width * 0.94, 0.02, 0.4))
    _facing(canvas, paint, place, _box(width, 0.25, waist))
    cabin = [(-width * 0.48, waist), (width * 0.48, waist), (width * 0.4, height),
             (-width * 0.4, height)]  # fmt: skip
    _facing(canvas, paint, place, cabin)
    pane = Material(CAR, glass, 0.1, 10.0)
    _facing(canvas, pane, place, [(x * 0.88, y * 0.97 if y > waist else y) for x, y in cabin])
    lamps = (235.0, 232.0, 210.0) if oncoming > 0.5 else (190.0, 30.0, 28.0)
    light = Material(CAR, lamps, 0.02, 20.0)
    for middle in (-0.4 * width, 0.4 * width):
        _facing(canvas, light, place, _box(0.24, waist - 0.28, waist - 0.1, middle))
    _facing(canvas, Material(CAR, (214.0, 208.0, 150.0), 0.02, 20.0), place, _box(0.5, 0.42, 0.54))


def pedestrian(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A walking person: values = height, trouser shade, skin shade."""
    height, trousers, skin = thing.values
    _person(canvas, PEDESTRIAN, thing.colour, place, height, trousers, skin, 0.0)


def _person(
    canvas: Canvas, label: int, coat: Colour, place: Place, height: float, trousers: float,
    skin: float, lift: float,
) -> None:  # fmt: skip
    unit = height / 1.75
    if place.near[1] > FAR:
        _facing(canvas, Material(label, coat), place, _box(0.42 * unit, lift, height + lift))
        return
    stride = 0.16 * unit * math.sin(place.walk)
    legs = Material(label, (trousers, trousers, trousers * 1.15), 0.1, 30.0)
    hip = 0.85 * unit + lift
    for step in (-stride, stride):
        _facing(
            canvas, legs, place,
            [(step - 0.07, lift), (step + 0.09, lift), (0.17 * unit, hip), (-0.17 * unit, hip)],
        )  # fmt: skip
    torso = Material(label, coat, 0.12, 30.0)
    shoulder = 1.46 * unit + lift
    _facing(
        canvas, torso, place,
        [(-0.2 * unit, hip - 0.1), (0.2 * unit, hip - 0.1), (0.27 * unit, shoulder - 0.12),
         (0.14 * unit, shoulder), (-0.14 * unit, shoulder), (-0.27 * unit, shoulder - 0.12)],
    )  # fmt: skip
    sleeve = Material(label, darker(coat, 0.8), 0.12, 30.0)
    for sign_ in (-1, 1):
        elbow = sign_ * 0.27 * unit
        swing = sign_ * stride * 0.8
        _facing(
            canvas, sleeve, place,
            [(elbow - 0.06, shoulder - 0.1), (elbow + 0.06, shoulder - 0.1),
             (elbow + swing + 0.05, hip - 0.02), (elbow + swing - 0.05, hip - 0.02)],
        )  # fmt: skip
    head = Material(label, (skin, skin * 0.78, skin * 0.66), 0.06, 30.0)
    _facing(canvas, head, place, _disc(0, shoulder + 0.17 * unit, 0.125 * unit, 9))


def cyclist(canvas: Canvas, thing: Thing, place: Place) -> None:
    """A rider on a bicycle seen from behind: values = height, trouser shade, skin shade."""
    height, trousers, skin = thing.values
    x, z = place.near
    frame = Material(BICYCLIST, (40.0, 40.0, 46.0), 0.1, 30.0)
    wide = 0.1 + 0.25 * abs(x) / max(z, 2.0)
    _facing(canvas, frame, place, _box(wide, 0, 0.7))
    _facing(canvas, frame, place, _box(0.56, 1.02, 1.1))
    _person(canvas, BICYCLIST, thing.colour, place, height, trousers, skin, 0.32)
