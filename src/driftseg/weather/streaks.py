"""Streaks of rain and snow near the camera.

Rain and snow share this. Particles are sampled from their size distribution within the camera's
view and moved along their path while the shutter is open. One map sums up their cover of each
pixel. A streak is a row of points one pixel apart; each point is spread over its four nearest
pixels. A streak therefore has its own width, length and brightness, sub-pixel positions count, and
the order of streaks does not matter. Wide and defocused streaks are blurred afterwards, in a few
groups of similar blur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Depth
from driftseg.weather.camera import Camera

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

NEAREST = 0.4
"""Metres in front of the lens; there are no nearer drops, because of a windscreen or housing."""
SHARP = 0.3
"""Pixels; a smaller blur is ignored."""


@dataclass(frozen=True)
class Particles:
    """Falling particles at the middle of the exposure."""

    diameter: Doubles
    """Diameters in mm, (N,)."""
    centre: Doubles
    """x right, y down, z ahead, in metres, (N, 3)."""
    velocity: Doubles
    """Velocity relative to the camera, m/s, (N, 3)."""


def draw_particles(
    density: Callable[[Doubles], Doubles],
    sizes: tuple[float, float],
    generator: np.random.Generator,
    camera: Camera,
    aspect: float,
) -> tuple[Doubles, Doubles]:
    """All particles in view that are at least one pixel of the full sensor wide.

    Args:
        density: particles per m3 and mm of diameter, as a function of diameters in mm.
        sizes: smallest and largest diameter in mm.
        generator: draws number, sizes and positions.
        camera: particles fill its view.
        aspect: image height over width.

    Returns:
        Diameters in mm, (N,), and positions (x right, y down, z ahead) in metres, (N, 3).
    """
    grid: Doubles = np.linspace(*sizes, 256, dtype=np.float64)
    across = camera.sensor_width / camera.sensor_focal_pixels
    reach = np.maximum(camera.sensor_focal_pixels * grid * 1e-3, NEAREST)
    volume = aspect * across**2 * (reach**3 - NEAREST**3) / 3
    number = density(grid) * volume
    below = np.concatenate([[0.0], np.cumsum((number[1:] + number[:-1]) / 2 * np.diff(grid))])
    count = int(generator.poisson(below[-1]))
    diameter = np.interp(generator.random(count) * below[-1], below, grid)
    farthest = np.maximum(camera.sensor_focal_pixels * diameter * 1e-3, NEAREST)
    z = np.cbrt(NEAREST**3 + generator.random(count) * (farthest**3 - NEAREST**3))
    x = (generator.random(count) - 0.5) * across * z
    y = (generator.random(count) - 0.5) * across * aspect * z
    return diameter, np.stack([x, y, z], axis=1)


def coverage(
    particles: Particles,
    depth: Depth,
    camera: Camera,
    *,
    brightness: Callable[[Doubles, npt.NDArray[np.int64]], Doubles] | None = None,
) -> Floats:
    """Share of the exposure in which a particle covers each pixel, (H, W).

    A particle of width d with a streak of length L covers each pixel of it for d / (L + d) of the
    exposure (Garg and Nayar 2007). Shares of overlapping streaks add up.

    Args:
        particles: what falls.
        depth: metres, (H, W); it hides particles that are farther than the scene at their middle.
        camera: its exposure, focal length and focus.
        brightness: of points, a function of seconds since the middle of the exposure and of the
            index of their particle; None is 1 everywhere.
    """
    height, width = depth.shape
    seconds = camera.exposure * 1e-3
    path = particles.velocity * seconds
    start, stop = (
        _project(particles.centre + side * path, camera, (height, width)) for side in (-0.5, 0.5)
    )
    z = particles.centre[:, 2]
    length = np.linalg.norm(stop - start, axis=1)
    thickness = camera.focal_pixels(width) * particles.diameter * 1e-3 / z
    middle = np.rint((start + stop) / 2).astype(np.int64)
    middle = np.clip(middle, 0, [width - 1, height - 1])
    long_enough = np.maximum(length, thickness) * camera.sensor_width / width >= 1
    seen = np.flatnonzero(long_enough & (z < depth[middle[:, 1], middle[:, 0]]))
    # A box as wide as the streak has the standard deviation width / sqrt(12). The spread over four
    # pixels already covers streaks narrower than one pixel.
    own = np.where(thickness > 1, thickness / np.sqrt(12), 0.0)
    blur = np.hypot(own, _circle_of_confusion(z, camera) * width / camera.sensor_width)
    edges = SHARP * 2.0 ** np.arange(0, 12)
    group = np.searchsorted(edges, blur[seen])
    total = np.zeros((height, width), dtype=np.float32)
    for number in np.unique(group):
        which = seen[group == number]
        points = np.ceil(length[which]).astype(np.int64) + 1
        of = np.repeat(np.arange(len(which)), points)
        first = np.cumsum(points) - points
        along = (np.arange(len(of)) - first[of] + 0.5) / points[of]
        place = start[which][of] + (stop - start)[which][of] * along[:, None]
        wide, far = thickness[which], length[which]
        # Its area times its share of the exposure, divided among its points.
        weight = (wide * np.maximum(far, wide) * wide / (far + wide) / points)[of]
        if brightness is not None:
            weight = weight * brightness((along - 0.5) * seconds, which[of])
        layer = _splat(place, weight, (height, width))
        if number > 0:
            spread = float(np.median(blur[which]))
            blurred = cv2.GaussianBlur(layer, (0, 0), spread, sigmaY=max(spread / 2, 0.1))
            layer = np.asarray(blurred, np.float32)
        total += layer
    return total


def _splat(place: Doubles, weight: Doubles, shape: tuple[int, int]) -> Floats:
    """Spreads points (columns and rows, (N, 2)) over their four nearest pixels."""
    height, width = shape
    # One pixel of margin, so points at the border need no special case.
    inside = ((place > -1) & (place < [width, height])).all(axis=1)
    place, weight = place[inside] + 1, weight[inside]
    corner = place.astype(np.int64)
    right, down = (place - corner).T
    flat = corner[:, 1] * (width + 2) + corner[:, 0]
    size = (height + 2) * (width + 2)
    total = np.bincount(flat, weight * (1 - right) * (1 - down), size)
    total += np.bincount(flat + 1, weight * right * (1 - down), size)
    total += np.bincount(flat + width + 2, weight * (1 - right) * down, size)
    total += np.bincount(flat + width + 3, weight * right * down, size)
    return total.reshape(height + 2, width + 2)[1:-1, 1:-1].astype(np.float32)


def _project(points: Doubles, camera: Camera, shape: tuple[int, int]) -> Doubles:
    """(N, 3) metres to (N, 2) columns and rows."""
    z = np.maximum(points[:, 2:], NEAREST / 2)
    middle = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    return np.asarray(middle + camera.focal_pixels(shape[1]) * points[:, :2] / z)


def _circle_of_confusion(z: Doubles, camera: Camera) -> Doubles:
    """Blur at ``z`` metres in pixels of the full sensor."""
    focal, focus = camera.focal_length * 1e-3, camera.focus
    circle = np.abs((z - focus) * focal**2 / (z * (focus - focal) * camera.f_number))
    return np.asarray(circle / (camera.pixel_pitch * 1e-6))
