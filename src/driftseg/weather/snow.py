"""Snow: falling flakes, and snow on the ground.

Falling snow after Gunn and Marshall (1958): N(D) = N0 exp(-L D) flakes per m3 and mm. D is the
diameter in mm of the melted drop, N0 = 3800 R^-.87, L = 2.55 R^-.48, R in mm/h of water. Flakes
have a tenth of the density of water, so their diameter is D (1 / .1)^(1/3). They fall at .98 D^.31
m/s (Langleben 1954) and drift with the wind. Far flakes act as fog: like any cloud of opaque
particles, beta = 2 x their cross section per m3 (geometric optics). Near flakes are drawn one by
one, white. Ours: the white, the drift, and all of the ground cover.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Depth, Image
from driftseg.weather.amounts import check_amount, check_share
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import Floats, check_depth, distance_along_rays
from driftseg.weather.geometry import Geometry, Mask, ground_noise, known_ground
from driftseg.weather.streaks import Particles, coverage, draw_particles

Doubles = npt.NDArray[np.float64]

DENSITY = 0.1
"""Density of flakes relative to water."""
SMALLEST, LARGEST = 1.0, 15.0
"""Diameters of flakes in mm that are drawn."""
DRIFT = 0.7
"""Standard deviation of the flakes' sideways speed, m/s."""
LEDGE, LOW_LEDGE = 0.1, 0.14
"""Metres that snow reaches down from the upper edges of high objects, and of low objects."""
ROOF = 2.6
"""Metres above the road below which objects count as low."""
DRIFTS = (3.0, 0.5)
"""Sizes of snow patches in metres."""
WIDE = 0.65
"""Weight of the wide patches."""
SOFT = 0.8
"""Share of the noise over which snow thins out at the edge of a patch."""
BARE = 0.15
"""Share of light that wet ground between the snow loses."""


def extinction_per_kilometre(rate: float) -> float:
    """Extinction coefficient of snow falling at ``rate`` mm/h of water.

    2 x pi/4 x the integral of N(D) d^2 over all sizes in closed form, where d is the flake's
    diameter. It ignores the limits `SMALLEST` and `LARGEST`.
    """
    if rate == 0:
        return 0.0
    number, slope = _law(rate)
    widen = (1 / DENSITY) ** (1 / 3)
    square_millimetres = number * 2 / slope**3 * widen**2
    return float(2 * math.pi / 4 * square_millimetres * 1e-6 * 1000)


def _law(rate: float) -> tuple[float, float]:
    """N0 in 1/(m3 mm) and the slope in 1/mm, for melted diameters."""
    return 3800.0 * rate**-0.87, 2.55 * rate**-0.48


def flake_density(diameter: Doubles, rate: float) -> Doubles:
    """Flakes per m3 and mm of their own diameter in mm."""
    number, slope = _law(rate)
    widen = (1 / DENSITY) ** (1 / 3)
    return np.asarray(number * np.exp(-slope * diameter / widen) / widen)


def fall_speed(diameter: Doubles) -> Doubles:
    """Fall speed in m/s of flakes of ``diameter`` mm (Langleben 1954, for the melted diameter)."""
    return np.asarray(0.98 * (diameter * DENSITY ** (1 / 3)) ** 0.31)


def falling_snow(
    image: Image,
    depth: Depth,
    rate: float,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
    severity: float = 1.0,
    white: Floats | None = None,
) -> Image:
    """Renders falling snow; a rate of 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3).
        depth: metres along the optical axis, (H, W), infinite for sky.
        rate: mm/h of water.
        generator: draws the flakes.
        camera: for which they are drawn.
        severity: factor on extinction and flakes; 1 is the physics.
        white: colour of white in the scene's light, (3,); None is `whiteness`.

    Raises:
        InputError: rate or severity is negative or not finite, or depth does not fit the image.
    """
    check_amount("snow", rate)
    check_amount("severity", severity)
    check_depth(depth, image)
    if rate == 0 or severity == 0:
        return image.copy()
    light = np.asarray(image / np.float32(255), np.float32)
    white = whiteness(light) if white is None else white
    beta = severity * extinction_per_kilometre(rate) / 1000
    through = np.exp(-beta * distance_along_rays(depth, camera))[..., None]
    light = light * through + white * (1 - through)
    height, width = depth.shape
    diameter, centre = draw_particles(
        lambda d: flake_density(d, rate), (SMALLEST, LARGEST), generator, camera, height / width
    )
    velocity = generator.normal(0, DRIFT, (len(diameter), 3))
    velocity[:, 1] = 0.3 * velocity[:, 1] + fall_speed(diameter)
    velocity[:, 2] -= camera.speed
    covered = coverage(Particles(diameter, centre, velocity), depth, camera) * np.float32(severity)
    behind = np.exp(-covered)[..., None]
    light = light * behind + white * (1 - behind)
    return np.asarray(np.rint(np.clip(light, 0, 1) * 255), np.uint8)


def snow_cover(
    image: Image,
    geometry: Geometry,
    share: float,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
    white: Floats | None = None,
) -> Image:
    """Renders snow on the ground and on the upper edges of objects.

    Args:
        image: RGB, (H, W, 3).
        geometry: must know what is ground.
        share: of the ground that is covered, in patches that lie on the road's plane.
        generator: draws the patches.
        camera: its focal length gives the size of a patch in pixels.
        white: colour of white in the scene's light, (3,); None is `whiteness`.

    Raises:
        InputError: share is outside 0 to 1, depth does not fit the image, or the ground is unknown.
    """
    check_share("snow_cover", share)
    check_depth(geometry.depth, image)
    if share == 0:
        return image.copy()
    ground = known_ground(geometry, "snow_cover")
    light = np.asarray(image / np.float32(255), np.float32)
    white = whiteness(light) if white is None else white
    drifts = _drifts(geometry, camera, generator)
    thin = np.clip((share * (1 + SOFT) - drifts) / SOFT, 0, 1)
    # A distant pixel contains many patches: it shows their mean cover.
    row = geometry.depth**2 / (camera.focal_pixels(image.shape[1]) * camera.height)
    seen = np.clip(DRIFTS[1] / np.maximum(row, 1e-3), 0, 1)
    lying = np.where(ground, thin * seen + share * (1 - seen), 0)
    ledges = _ledges(geometry, ground, camera, generator)
    lying = np.maximum(lying, min(1.0, 1.5 * share) * ledges)
    lying = np.asarray(cv2.GaussianBlur(lying.astype(np.float32), (0, 0), 0.7), np.float32)
    # Snow keeps faint shadows of the ground.
    grey = light.mean(axis=2, keepdims=True)
    even = np.asarray(cv2.blur(grey, (2 * (image.shape[1] // 16) + 1,) * 2), np.float32)[..., None]
    shade = np.clip(0.97 + 0.3 * (grey - even), 0, 1.05)
    # Bare ground between the snow is wet.
    bare = light * (1 - (BARE * np.float32(min(1.0, 2 * share)) * ground)[..., None])
    covered = bare * (1 - lying[..., None]) + white * shade * lying[..., None]
    return np.asarray(np.rint(np.clip(covered, 0, 1) * 255), np.uint8)


def _drifts(geometry: Geometry, camera: Camera, generator: np.random.Generator) -> Floats:
    """Patches of two sizes together, (H, W), evenly spread over 0 to 1."""
    wide, fine = (
        ground_noise(geometry.depth, camera, generator, metres=metres) for metres in DRIFTS
    )
    a, b = WIDE, 1 - WIDE
    both = a * wide + b * fine
    # The distribution of a sum of two uniform values; it makes the sum uniform again.
    low, high = both**2 / (2 * a * b), 1 - (1 - both) ** 2 / (2 * a * b)
    return np.asarray(
        np.where(both < b, low, np.where(both < a, (both - b / 2) / a, high)), np.float32
    )


def whiteness(light: Floats) -> Floats:
    """Colour of white in this light, (3,): grey, as bright as the brightest 5 % of pixels."""
    bright = float(np.quantile(light.mean(axis=2)[::4, ::4], 0.95))
    return np.full(3, min(max(bright, 0.05), 0.95), np.float32)


def _ledges(
    geometry: Geometry, ground: Mask, camera: Camera, generator: np.random.Generator
) -> Floats:
    """Amount of snow on each upright pixel near the upper edge of its object, in 0 to 1.

    Objects lower than `ROOF` metres (cars, hedges, walls, people) show more of their upper side
    than roofs do.
    """
    depth = np.minimum(geometry.depth, np.float32(1e6))
    height, width = depth.shape
    focal = np.float32(camera.focal_pixels(width))
    upright = ~ground & (np.ones_like(ground) if geometry.sky is None else ~geometry.sky)
    if geometry.sky_share is not None and geometry.sky is not None:
        gaps = ((geometry.sky_share > 0.05) & ~geometry.sky).astype(np.uint8)
        upright &= cv2.dilate(gaps, np.ones((5, 5), np.uint8)) == 0  # no snow on branches
    down = (np.arange(height, dtype=np.float32) + 0.5 - camera.horizon * height)[:, None]
    above_road = camera.height - down * depth / focal
    metres = np.where(above_road < ROOF, LOW_LEDGE, LEDGE)
    uneven = cv2.blur(generator.random((1, width), dtype=np.float32), (max(3, width // 25), 1))
    reach = metres * (0.4 + 1.2 * uneven) * focal / np.maximum(depth, 1.0)
    found = np.zeros(depth.shape, np.float32)
    for rows in range(1, int(min(np.ceil(reach[upright].max(initial=0)), height // 12)) + 1):
        above = np.zeros_like(depth)  # the picture's upper border is no edge of an object
        above[rows:] = depth[:-rows]
        edge = upright & (above > 1.3 * depth)
        found = np.maximum(found, edge * np.clip((reach - rows + 1) / 2, 0, 1))
    return found
