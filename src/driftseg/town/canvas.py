"""Paints Town's surfaces, each with a class, a material and an exact inverse depth.

Polygons are filled from back to front into a map of surface numbers. Then colour, class and depth
are looked up for each pixel. The inverse depth of a plane is affine in pixel coordinates, so three
numbers per surface give exact metric depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Depth, Label

Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]

FACING, ALONG, GROUND = 0, 1, 2
"""Texture coordinates: (across, up) of upright things that face the camera, (along the street,
up) of walls and sides, (across, along) of the ground."""


class Pattern(NamedTuple):
    """A regular grid in another colour: windows of a house, slats of a fence."""

    colour: Colour
    periods: tuple[float, float]
    """Metres, in the two texture coordinates."""
    shares: tuple[float, float]
    """Share of each period that has the other colour."""
    phase: float = 0.0


class Material(NamedTuple):
    """Appearance and class of a surface."""

    label: int
    colour: Colour
    """RGB, 0-255, before light."""
    grain: float = 0.1
    """Relative strength of the noise texture."""
    scale: float = 20.0
    """Texels per metre: larger is finer."""
    coordinates: int = FACING
    pattern: Pattern | None = None


@dataclass(frozen=True)
class View:
    """A pinhole camera above a flat street, looking along it (x right, y up, z ahead, metres)."""

    width: int
    height: int
    focal: float
    """Pixels."""
    horizon: float
    """Row of the horizon; the image plane stays upright (a shifted lens instead of pitch)."""
    above: float
    """Height of the camera over the ground in metres."""
    travelled: float
    """Distance along the street in metres."""

    @property
    def centre(self) -> float:
        """Column of the optical axis."""
        return (self.width - 1) / 2

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row of a point; y counts from the ground."""
        scale = self.focal / z
        return self.centre + x * scale, self.horizon + (self.above - y) * scale

    def facing(self, z: float) -> tuple[float, float, float]:
        """Inverse depth (per column, per row, constant) of the plane z."""
        return 0.0, 0.0, 1.0 / z

    def upright(
        self, near: tuple[float, float], far: tuple[float, float]
    ) -> tuple[float, float, float]:
        """Inverse depth of the upright plane through two ground points (x, z)."""
        (x1, z1), (x2, z2) = near, far
        across = x1 * z2 - x2 * z1
        if abs(across) < 1e-6:  # seen edge on
            return self.facing(min(z1, z2))
        per_column = (z2 - z1) / across / self.focal
        return per_column, 0.0, (x1 - x2) / across - per_column * self.centre

    def ground(self) -> tuple[float, float, float]:
        """Inverse depth of the street."""
        per_row = 1.0 / (self.focal * self.above)
        return 0.0, per_row, -per_row * self.horizon


_SHIFT = 4
"""Fractional bits of polygon corners."""
_REACH = 4000 << _SHIFT
"""Largest corner coordinate. OpenCV overflows on much larger ones."""


class Canvas:
    """Surfaces that are painted from far to near."""

    def __init__(self, view: View):
        self.view = view
        self.numbers = np.zeros((view.height, view.width), dtype=np.int32)
        self.materials: list[Material] = []
        self.planes: list[tuple[float, float, float]] = []

    def surface(self, material: Material, plane: tuple[float, float, float]) -> int:
        """Adds a surface and returns its number; nothing is painted yet."""
        self.materials.append(material)
        self.planes.append(plane)
        return len(self.materials) - 1

    def fill(
        self, surface: int, corners: Sequence[tuple[float, float]] | npt.NDArray[np.float64]
    ) -> None:
        """Fills a polygon of (column, row) corners."""
        points = np.array(corners, dtype=np.float64) * (1 << _SHIFT)
        fixed = np.minimum(np.maximum(points, -_REACH), _REACH).astype(np.int32)
        cv2.fillPoly(self.numbers, [fixed], surface, cv2.LINE_8, _SHIFT)

    def label(self) -> Label:
        """Class ids, (H, W)."""
        table = np.array([material.label for material in self.materials], dtype=np.uint8)
        return np.asarray(table[self.numbers], dtype=np.uint8)

    def inverse_depth(self) -> Floats:
        """Inverse depth in 1/m, (H, W); 0 is infinitely far."""
        view = self.view
        per_column, per_row, constant = np.array(self.planes, dtype=np.float32).T
        columns = np.arange(view.width, dtype=np.float32)[None, :]
        rows = np.arange(view.height, dtype=np.float32)[:, None]
        number = self.numbers
        inverse = per_column[number] * columns + per_row[number] * rows + constant[number]
        # A pixel at the edge of a surface may lie slightly outside it, beyond the horizon.
        return np.asarray(np.clip(inverse, 0.0, 1.0), dtype=np.float32)

    @staticmethod
    def depth(inverse: Floats) -> Depth:
        """Depth in metres along the optical axis; infinite where the inverse depth is 0."""
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / inverse, dtype=np.float32)

    def shade(self, inverse: Floats, noise: Floats) -> Floats:
        """Colours with texture, (H, W, 3), 0-255, before light and haze.

        Args:
            inverse: from `inverse_depth`.
            noise: (N, N) with N a power of two, about -1 to 1, tileable.
        """
        view, number = self.view, self.numbers
        z = 1.0 / np.maximum(inverse, 1e-3)
        columns = np.arange(view.width, dtype=np.float32)[None, :] - view.centre
        rows = np.arange(view.height, dtype=np.float32)[:, None] - view.horizon
        across = columns * z / view.focal
        up = view.above - rows * z / view.focal
        along = np.asarray(z + view.travelled)
        kind = np.array([m.coordinates for m in self.materials], dtype=np.int8)[number]
        first = np.where(kind == ALONG, along, across)
        second = np.where(kind == GROUND, along, up)

        scale = np.array([m.scale for m in self.materials], dtype=np.float32)[number]
        grain = np.array([m.grain for m in self.materials], dtype=np.float32)[number]
        mask = noise.shape[0] - 1
        texel = noise[
            (second * scale).astype(np.int32) & mask, (first * scale).astype(np.int32) & mask
        ]
        # Texels smaller than a pixel average out.
        sharp = np.minimum(1.0, 1.5 * view.focal / (scale * z) + 0.3)
        colour = np.array([m.colour for m in self.materials], dtype=np.float32)[number]
        colour *= (1.0 + grain * texel * sharp)[..., None]
        self._pattern(colour, first, second, np.asarray(z))
        return np.asarray(colour, dtype=np.float32)

    def _pattern(
        self,
        colour: Floats,
        first: npt.NDArray[Any],
        second: npt.NDArray[Any],
        z: npt.NDArray[Any],
    ) -> None:
        patterned = np.array([m.pattern is not None for m in self.materials])
        place = np.nonzero(patterned[self.numbers])
        if place[0].size == 0:
            return
        none = Pattern((0, 0, 0), (1, 1), (0, 0))
        table = [m.pattern or none for m in self.materials]
        number = self.numbers[place]
        period = np.array([p.periods for p in table], dtype=np.float32)[number]
        share = np.array([p.shares for p in table], dtype=np.float32)[number]
        phase = np.array([p.phase for p in table], dtype=np.float32)[number]
        other = np.array([p.colour for p in table], dtype=np.float32)[number]
        one, two = (first[place] + phase) / period[:, 0], second[place] / period[:, 1]
        inside = (one - np.floor(one) < share[:, 0]) & (two - np.floor(two) < share[:, 1])
        pixels = period.min(axis=1) * self.view.focal / z[place]
        crisp = np.clip(pixels / 3.0 - 0.3, 0.0, 1.0)  # finer than a pixel: the mean colour
        mean = share[:, 0] * share[:, 1]
        weight = crisp * inside + (1 - crisp) * mean
        colour[place] += (other - colour[place]) * weight[:, None]
