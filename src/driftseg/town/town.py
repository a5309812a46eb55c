"""Town: procedural street scenes in perspective, the default dataset that needs no files.

A camera drives along an endless street and takes ten frames a second. Every pixel has an exact
class (CamVid's eleven) and an exact metric depth. A frame depends only on (seed, size, index), so
frames can be rendered in any order and again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Scene
from driftseg.images.reading import Size
from driftseg.labels import CAMVID11, LabelSpace
from driftseg.town import shapes
from driftseg.town.canvas import GROUND, Canvas, Colour, Floats, Material, View
from driftseg.town.shapes import NEAREST, Place, Thing
from driftseg.town.street import BLOCK, PIECE, ROAD_EDGE, WALK_EDGE, Street

METRES_A_FRAME = 0.8
"""The camera's speed at ten frames a second is 8 m/s, 29 km/h."""
SECONDS_A_FRAME = 0.1
FARTHEST = 24
"""Number of street pieces that are painted: 120 m."""


@dataclass(frozen=True)
class _Moment:
    view: View
    lateral: float
    """Sideways position of the camera in metres."""
    clock: float


class Town:
    """Frames of a drive through one town.

    Args:
        seed: another seed gives another town.
        size: (width, height) of the frames; the horizontal field of view is 58 degrees.
    """

    label_space: LabelSpace = CAMVID11

    def __reduce__(self) -> tuple[Any, ...]:
        """Only seed and size are pickled; cached streets stay in this process."""
        return partial(Town, seed=self._seed, size=self._size), ()

    def __init__(self, *, seed: int, size: Size = (320, 240)):
        self._seed = seed
        self._size = size
        self._street = Street(seed)
        self._noise, self._shadows, self._sensor, self._sky = _textures(seed)

    def render(self, index: int) -> Scene:
        """Renders the frame of this number (0.8 m of street each): image, label, depth."""
        moment = self._moment(index)
        view = moment.view
        canvas = Canvas(view)
        self._paint_far(canvas)
        here = math.floor(view.travelled / PIECE)
        for piece in range(here + FARTHEST, here - 1, -1):
            self._paint_piece(canvas, piece, moment)
        inverse = canvas.inverse_depth()
        colour = canvas.shade(inverse, self._noise)
        self._light(colour, canvas, inverse, moment, index)
        image = np.clip(colour, 0, 255).astype(np.uint8)
        return Scene(f"town{self._seed}_{index:06d}", image, canvas.label(), canvas.depth(inverse))

    def _moment(self, index: int) -> _Moment:
        width, height = self._size
        travelled = index * METRES_A_FRAME
        swing = math.sin(travelled / 41 + self._seed) + 0.5 * math.sin(travelled / 17)
        bounce = math.sin(travelled / 5.3) * 0.004 + math.sin(travelled / 29) * 0.008
        view = View(
            width=width,
            height=height,
            focal=0.9 * width,
            horizon=(0.46 + bounce) * height,
            above=1.5,
            travelled=travelled,
        )
        return _Moment(view, -1.6 + 0.35 * swing, index * SECONDS_A_FRAME)

    def _paint_far(self, canvas: Canvas) -> None:
        """Paints the sky, and a line of houses and trees at the end of the street."""
        view = canvas.view
        sky = Material(shapes.SKY, (200.0, 214.0, 232.0), 0.0, 1.0)
        canvas.fill(canvas.surface(sky, (0, 0, 0)), _rectangle(0, -1, view.width, view.height))
        distance = 200.0
        plane = view.facing(distance)
        part = view.width / 16
        for i in range(16):
            block = math.floor(view.travelled / 90) + i * 7
            draw = np.random.default_rng([self._seed, 9, block % 2**31])
            height = draw.uniform(5, 16)
            kind, grain = (shapes.TREE, 0.3) if draw.random() < 0.5 else (shapes.BUILDING, 0.1)
            shade = draw.uniform(70, 130)
            colour = (shade, shade * 1.08, shade * (0.75 if kind == shapes.TREE else 1.0))
            top = view.project(0, height, distance)[1]
            bottom = view.project(0, 0, distance)[1]
            surface = canvas.surface(Material(kind, colour, grain, 2.0), plane)
            canvas.fill(surface, _rectangle(i * part - 1, top, (i + 1) * part, bottom))

    def _paint_piece(self, canvas: Canvas, piece: int, moment: _Moment) -> None:
        view = moment.view
        style = self._street.style(piece // BLOCK)
        near = max(piece * PIECE, view.travelled + NEAREST)
        far = (piece + 1) * PIECE
        if near >= far:
            return
        crossing = self._street.is_crossing(piece)
        bands = [
            (-70.0, 70.0, shapes.TREE, style.grass, 0.3, 9.0),
            (-WALK_EDGE, WALK_EDGE, shapes.PAVEMENT, style.pavement, 0.1, 14.0),
            (-ROAD_EDGE - 0.15, ROAD_EDGE + 0.15, shapes.PAVEMENT, _lighter(style.pavement), 0.05,
             20.0),
            (-ROAD_EDGE, ROAD_EDGE, shapes.ROAD, style.road, 0.13, 28.0),
        ]  # fmt: skip
        if crossing:
            bands = [(-70.0, 70.0, shapes.ROAD, style.road, 0.13, 28.0)]
        for left, right, label, colour, grain, scale in bands:
            self._band(canvas, moment, (near, far), (left, right),
                       Material(label, colour, grain, scale, GROUND))  # fmt: skip
        paint = Material(shapes.ROAD, (205.0, 205.0, 198.0), 0.12, 20.0, GROUND)
        if not crossing:
            for line in (-ROAD_EDGE + 0.35, ROAD_EDGE - 0.35):
                self._band(canvas, moment, (near, far), (line, line + 0.12), paint)
            if piece % 2 == 0:
                self._band(canvas, moment, (near, min(near + 3, far)), (0.05, 0.2), paint)
        elif not self._street.is_crossing(piece - 1):
            for stripe in range(-4, 5):
                middle = stripe * 1.05
                stretch = (near, min(near + 2.4, far))
                self._band(canvas, moment, stretch, (middle, middle + 0.5), paint)
        things = self._street.things(piece, moment.clock)
        things.sort(key=lambda t: -abs(self._x(t, t.along, moment)))
        for thing in things:
            self._paint_thing(canvas, thing, moment)

    def _x(self, thing: Thing, along: float, moment: _Moment) -> float:
        bend = self._street.bend(along, moment.view.travelled)
        return thing.lateral - moment.lateral + bend

    def _paint_thing(self, canvas: Canvas, thing: Thing, moment: _Moment) -> None:
        travelled = moment.view.travelled
        near, far = thing.along, thing.along + max(thing.length, 0.01)
        if far - travelled < NEAREST + 0.2:
            return
        if near - travelled < NEAREST:
            if thing.length != PIECE:
                return  # only walls may be cut at the camera
            near = travelled + NEAREST
        place = Place(
            (self._x(thing, near, moment), near - travelled),
            (self._x(thing, far, moment), far - travelled),
            moment.clock * 9 + thing.lateral * 5,
        )
        thing.paint(canvas, thing, place)

    def _band(
        self, canvas: Canvas, moment: _Moment, along: tuple[float, float],
        lateral: tuple[float, float], material: Material,
    ) -> None:  # fmt: skip
        """Paints a strip of ground."""
        view = moment.view
        surface = canvas.surface(material, view.ground())
        corners = []
        for distance, sides in ((along[0], lateral), (along[1], lateral[::-1])):
            offset = self._street.bend(distance, view.travelled) - moment.lateral
            z = distance - view.travelled
            corners += [view.project(side + offset, 0.0, z) for side in sides]
        canvas.fill(surface, corners)

    def _light(
        self, colour: Floats, canvas: Canvas, inverse: Floats, moment: _Moment, index: int
    ) -> None:
        """Adds sky, shadows, haze, daylight, lens blur and sensor noise, in place."""
        view = moment.view
        style = self._street.style(math.floor((view.travelled + 25) / PIECE / BLOCK))
        before = self._street.style(math.floor((view.travelled + 5) / PIECE / BLOCK))
        light = (style.light * before.light) ** 0.5
        sky = self._sky_colours(view)
        z = 1.0 / np.maximum(inverse, 1e-3)
        kinds = np.array([m.coordinates for m in canvas.materials], dtype=np.int8)
        ground = kinds[canvas.numbers] == GROUND
        self._cast_shadows(colour, ground, z, moment, style.shadow)
        haze = np.exp(-z / 350.0)[..., None]
        colour *= haze
        colour += (1 - haze) * np.array((196.0, 204.0, 214.0), dtype=np.float32)
        infinite = inverse == 0
        colour[infinite] = sky[infinite]
        warm = np.array((1 + style.warmth, 1.0, 1 - style.warmth), dtype=np.float32) * light
        colour *= warm
        colour[...] = cv2.GaussianBlur(colour, (3, 3), 0.55)
        self._add_sensor_noise(colour, index)

    def _add_sensor_noise(self, colour: Floats, index: int) -> None:
        """Adds noise of about 2 grey levels from a strip that is made once per town."""
        rows, columns = colour.shape[:2]
        start = np.random.default_rng([self._seed, 8, index]).integers(0, self._sensor.size // 2)
        strip = self._sensor[start : start + rows * columns]
        colour += np.resize(strip, (rows, columns))[..., None]

    def _cast_shadows(
        self,
        colour: Floats,
        ground: npt.NDArray[np.bool_],
        z: npt.NDArray[Any],
        moment: _Moment,
        strength: float,
    ) -> None:
        if strength < 0.05:
            return
        view = moment.view
        columns = np.arange(view.width, dtype=np.float32)[None, :] - view.centre
        place = np.nonzero(ground)
        across = (columns * z / view.focal)[place] - self._street.bends(
            z[place] + view.travelled, view.travelled
        )
        along = z[place] + view.travelled
        mask = self._noise.shape[0] - 1
        dark = self._shadows[
            (along * 4).astype(np.int32) & mask, (across * 4 + along).astype(np.int32) & mask
        ]
        colour[place] *= 1 - strength * np.clip(dark * 6 + 0.3, 0, 1)[:, None]

    def _sky_colours(self, view: View) -> Floats:
        rows = np.arange(view.height, dtype=np.float32)[:, None, None] / max(view.horizon, 1.0)
        low = np.array((222.0, 228.0, 232.0), dtype=np.float32)
        cover = 0.5 + 0.5 * math.sin(view.travelled / 260 + self._sky)
        high = np.array((120.0, 158.0, 210.0), np.float32) * (1 - cover) + cover * low * 0.9
        sky = high + (low - high) * np.clip(rows, 0, 1) ** 1.3
        whole = np.broadcast_to(sky, (view.height, view.width, 3))
        return np.array(whole, dtype=np.float32)


@lru_cache(maxsize=8)
def _textures(seed: int) -> tuple[Floats, Floats, Floats, float]:
    """Noise, shadows, sensor noise and a sky phase; cached, because runs repeat the same towns."""
    draw = np.random.default_rng([seed, 0])
    noise = _noise(draw)
    shadows = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3.0), dtype=np.float32)
    sensor = np.asarray(2.0 * draw.standard_normal(1 << 18, dtype=np.float32), dtype=np.float32)
    for array in (noise, shadows, sensor):
        array.setflags(write=False)
    return noise, shadows, sensor, float(draw.uniform(0, 100))


def _noise(draw: np.random.Generator, size: int = 512) -> Floats:
    """Tileable noise in several octaves, standard deviation about 0.7."""
    total = np.zeros((size, size), dtype=np.float32)
    for step, weight in ((1, 0.45), (4, 0.35), (16, 0.3), (64, 0.25)):
        rough = draw.standard_normal((size // step, size // step)).astype(np.float32)
        tiled = np.pad(rough, 1, mode="wrap")
        fine = cv2.resize(tiled, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        total += weight * fine[step : step + size, step : step + size]
    return total


def _rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _lighter(colour: Colour) -> Colour:
    return colour[0] * 1.2, colour[1] * 1.2, colour[2] * 1.2
