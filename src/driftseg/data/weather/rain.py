"""Rain at a rate in mm/h: the veil of far drops and the streaks of near ones.

After Halder, Lalonde, de Charette, "Physics-Based Rendering for Improving Robustness to Rain"
(ICCV 2019), which builds on Weber et al. 2015 (veil), Marshall and Palmer 1948 (drop sizes),
Atlas et al. 1973 (fall speed) and Garg and Nayar 2006/2007 (streaks). Where we differ:

* Drops are drawn per image from the size law within the camera's view instead of being
  simulated over time, and every streak is straight with a smooth profile instead of a picture
  of the Garg-Nayar database.
* A drop is kept when it is at least one pixel wide and long on the full sensor; in a smaller
  image it covers the matching share of a pixel.
* Streaks are composed independently of their order.
* The published blur of the veil (25 pixels in an image 1020 wide) scales with the width.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.data.weather.camera import CITYSCAPES, Camera
from driftseg.data.weather.depth import Floats, check_depth
from driftseg.errors import InputError
from driftseg.frame import Depth, Image

FORWARD = 0.97
"""Henyey-Greenstein asymmetry g of rain."""
DROPS_PER_CUBIC_METRE = 8000.0
"""N0 of Marshall-Palmer, per m3 and mm of diameter."""
SMALLEST, LARGEST = 0.5, 6.0
"""Diameters in mm that are drawn as streaks."""
NEAREST = 0.4
"""Metres before the lens; a windscreen or housing keeps nearer drops away."""
OSCILLATION = math.sqrt(1.16e-3) / 50
"""Seconds a drop takes to pass its own width, tau_0 = sqrt(a) / 50 with a = 1.16 mm."""
FIELD, AMBIENT = 0.94, 0.06
"""Shares of a drop's luminance that come from what it refracts and from around it."""
SKY = 256.0
"""Metres of rain before the sky: the deepest value of the published depth maps."""
TEXTURE = 1.0
"""Mean brightness of a streak's texture; ours, since we have no database of textures."""
GROUP = 1500
"""Streaks drawn in one pass; within a pass overlaps do not add up."""


def extinction_per_kilometre(rate: float) -> float:
    """Extinction coefficient of rain at ``rate`` mm/h, 0.312 R^0.67 (Weber et al. 2015)."""
    return float(0.312 * rate**0.67)


def transmission(depth: Depth, rate: float) -> Floats:
    """Share of light that comes through ``depth`` metres of rain, (H, W)."""
    if rate == 0:
        return np.ones(depth.shape, dtype=np.float32)  # infinitely far through nothing
    through = np.exp(-extinction_per_kilometre(rate) / 1000.0 * depth)
    return np.asarray(through, dtype=np.float32)


def drop_density_slope(rate: float) -> float:
    """Marshall-Palmer's Lambda in 1/mm: N(D) = N0 exp(-Lambda D)."""
    return float(4.1 * rate**-0.21)


def fall_speed(diameter: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Terminal speed in m/s of drops of ``diameter`` mm (Atlas et al. 1973)."""
    return np.maximum(9.65 - 10.3 * np.exp(-0.6 * diameter), 0.0)


def phase(angle: float) -> float:
    """Henyey-Greenstein phase function per steradian at ``angle`` radians."""
    g = FORWARD
    return float((1 - g * g) / (4 * math.pi * (1 + g * g - 2 * g * math.cos(angle)) ** 1.5))


def rain(
    image: Image,
    depth: Depth,
    rate: float,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
    severity: float = 1.0,
) -> Image:
    """The image as it would look in rain; a rate of 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3).
        depth: metres along the optical axis, (H, W), infinite for sky.
        rate: mm/h.
        generator: draws the drops.
        camera: the lens and sensor the drops are seen through.
        severity: scales extinction and the opacity of streaks; 1 is the physics.

    Raises:
        InputError: a rate or severity that is negative or not finite, or a depth that does not fit
            the image.
    """
    for name, value in (("rain", rate), ("severity", severity)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be a finite number of 0 or more, not {value}")
    check_depth(depth, image)
    if rate == 0 or severity == 0:
        return image.copy()
    light = image.astype(np.float32) / 255.0
    light = _veil(light, depth, rate, camera, severity)
    light = _streaks(light, depth, rate, generator, camera, severity)
    return np.asarray(np.rint(np.clip(light, 0, 1) * 255), dtype=np.uint8)


def _veil(light: Floats, depth: Depth, rate: float, camera: Camera, severity: float) -> Floats:
    """Attenuation and airlight of the drops too far to be seen one by one."""
    through = transmission(np.minimum(depth, np.float32(SKY)), rate) ** np.float32(severity)
    irradiance = (
        4 * camera.f_number**2 / (camera.exposure * 1e-3 * camera.gain * math.pi)
    ) * light.mean(axis=(0, 1))
    size = max(1, round(25 * light.shape[1] / 1020)) | 1
    through = np.asarray(cv2.GaussianBlur(through, (size, size), float(size)), np.float32)
    airlight = phase(math.pi / 2) * irradiance
    veiled = light * through[..., None] + np.clip(airlight * (1 - through)[..., None], 0, 1)
    return np.asarray(veiled, dtype=np.float32)


def _streaks(
    light: Floats,
    depth: Depth,
    rate: float,
    generator: np.random.Generator,
    camera: Camera,
    severity: float,
) -> Floats:
    """Near drops, each a line as long as it falls during the exposure.

    A drop hides what is behind it for the share of the exposure it covers a pixel,
    tau_1 / t = d / (L + d), and adds its own light for tau_1 / tau_0, so that
    I becomes (1 - tau_1 / t) I + S tau_1 / tau_0.
    """
    height, width = light.shape[:2]
    diameter, centre = draw_drops(rate, generator, camera, height / width)
    seconds = camera.exposure * 1e-3
    path = np.zeros((len(diameter), 3))
    path[:, 1] = fall_speed(diameter) * seconds
    path[:, 2] = -camera.speed * seconds
    ends = [_project(centre + side * path, camera, (height, width)) for side in (-0.5, 0.5)]
    z = centre[:, 2]
    length = np.linalg.norm(ends[1] - ends[0], axis=1)
    thickness = camera.focal_pixels(width) * diameter * 1e-3 / z
    middle = np.rint((ends[0] + ends[1]) / 2).astype(np.int64)
    middle = np.clip(middle, 0, [width - 1, height - 1])
    visible = (length * camera.sensor_width / width >= 1) & (z < depth[middle[:, 1], middle[:, 0]])
    order = np.flatnonzero(visible)[np.argsort(z[visible])[::-1]]

    glow = FIELD * _wide_field(light) + AMBIENT * light.mean(axis=(0, 1))
    hidden = np.zeros((height, width), dtype=np.float32)
    added = np.zeros((height, width), dtype=np.float32)
    for first in range(0, len(order), GROUP):
        part = order[first : first + GROUP]
        wide, long = float(thickness[part].mean()), float(length[part].mean())
        mask = _lines(ends[0][part], ends[1][part], max(1, round(wide)), (height, width))
        mask = _defocus(mask, float(z[part].mean()), camera) * min(wide, 1.0) * severity
        covered = seconds * wide / (wide + long)  # tau_1
        hidden += mask * (covered / seconds)
        added += mask * (TEXTURE * covered / OSCILLATION)
    light = light * np.exp(-hidden)[..., None] + glow * added[..., None]
    return np.asarray(light, dtype=np.float32)


def draw_drops(
    rate: float, generator: np.random.Generator, camera: Camera, aspect: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Every drop in view that is at least a sensor pixel wide, at the middle of the exposure.

    Args:
        rate: mm/h, above 0.
        generator: draws number, sizes and places.
        camera: its view is filled with drops.
        aspect: image height over width.

    Returns:
        Diameters in mm, (N,), and positions (x right, y down, z ahead) in metres, (N, 3).
    """
    sizes = np.linspace(SMALLEST, LARGEST, 256)
    farthest = np.maximum(camera.sensor_focal_pixels * sizes * 1e-3, NEAREST)
    across = camera.sensor_width / camera.sensor_focal_pixels
    volume = aspect * across**2 * (farthest**3 - NEAREST**3) / 3
    number = DROPS_PER_CUBIC_METRE * np.exp(-drop_density_slope(rate) * sizes) * volume
    below = np.concatenate([[0.0], np.cumsum((number[1:] + number[:-1]) / 2 * np.diff(sizes))])
    count = int(generator.poisson(below[-1]))
    diameter = np.interp(generator.random(count) * below[-1], below, sizes)
    reach = np.maximum(camera.sensor_focal_pixels * diameter * 1e-3, NEAREST)
    z = np.cbrt(NEAREST**3 + generator.random(count) * (reach**3 - NEAREST**3))
    x = (generator.random(count) - 0.5) * across * z
    y = (generator.random(count) - 0.5) * across * aspect * z
    return diameter, np.stack([x, y, z], axis=1)


def _project(
    points: npt.NDArray[np.float64], camera: Camera, shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """(N, 3) metres to (N, 2) columns and rows."""
    z = np.maximum(points[:, 2:], NEAREST / 2)
    middle = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    return np.asarray(middle + camera.focal_pixels(shape[1]) * points[:, :2] / z)


def _wide_field(light: Floats) -> Floats:
    """What a drop refracts: the surroundings in a wide field, here half the image around it."""
    size = (light.shape[1] // 2 | 1, light.shape[0] // 2 | 1)
    return np.asarray(cv2.blur(light, size), dtype=np.float32)


def _lines(
    start: npt.NDArray[np.float64],
    stop: npt.NDArray[np.float64],
    thickness: int,
    shape: tuple[int, int],
) -> Floats:
    """Antialiased lines, 0 to 1."""
    mask = np.zeros(shape, dtype=np.uint8)
    reach = 4 * max(shape)
    segments = np.clip(np.stack([start, stop], axis=1), -reach, reach)
    fixed = np.rint(segments * 16).astype(np.int32)
    cv2.polylines(mask, list(fixed), False, 255, thickness, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255.0


def _defocus(mask: Floats, z: float, camera: Camera) -> Floats:
    """Blurs by the circle of confusion at ``z`` metres, half as much along y."""
    focal, focus = camera.focal_length * 1e-3, camera.focus
    circle = abs((z - focus) * focal**2 / (z * (focus - focal) * camera.f_number))
    width = mask.shape[1]
    pixels = circle / (camera.pixel_pitch * 1e-6) * width / camera.sensor_width
    if pixels < 0.25:
        return mask
    blurred = cv2.GaussianBlur(mask, (0, 0), pixels, sigmaY=max(pixels / 2, 0.1))
    return np.asarray(blurred, dtype=np.float32)
