"""Rain at a rate in mm/h: the veil of far drops and the streaks of near drops.

After Halder, Lalonde, de Charette, "Physics-Based Rendering for Improving Robustness to Rain"
(ICCV 2019), which builds on Weber et al. 2015 (veil), Marshall and Palmer 1948 (drop sizes),
Atlas et al. 1973 (fall speed) and Garg and Nayar 2006/2007 (streaks). Where we differ:

* Drops are drawn per image from the size law within the camera's view instead of being
  simulated over time.
* A streak is straight, and its brightness along its length follows from the oscillation of the
  drop (Rayleigh 1879) instead of a picture of the Garg-Nayar database.
* A drop is kept when it is at least one pixel wide and long on the full sensor; in a smaller
  image it covers the matching share of a pixel.
* Streaks are composed independently of their order.
* Defocus blur is the circle of confusion in the camera's own pixels (2.2 um). The published code
  divides by 4.65 um.
* The veil is smoothed along the picture's edges, over a window that scales with its width (25
  pixels of 1020). The published Gaussian leaves bright halos of the sky around roofs.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from driftseg.frame import Depth, Image
from driftseg.weather.amounts import check_amount
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import Floats, check_depth
from driftseg.weather.smoothing import along_edges, wide_field
from driftseg.weather.streaks import Particles, coverage, draw_particles

FORWARD = 0.97
"""Henyey-Greenstein asymmetry g of rain."""
DROPS_PER_CUBIC_METRE = 8000.0
"""N0 of Marshall-Palmer, per m3 and mm of diameter."""
SMALLEST, LARGEST = 0.5, 6.0
"""Diameters in mm of drops that are drawn as streaks."""
OSCILLATION = math.sqrt(1.16e-3) / 50
"""Seconds in which a drop falls by its own width, tau_0 = sqrt(a) / 50 with a = 1.16 mm."""
FIELD, AMBIENT = 0.94, 0.06
"""Shares of a drop's luminance from refracted light and from ambient light."""
SKY = 256.0
"""Metres of rain in front of the sky: the largest value of the published depth maps."""
SURFACE_TENSION = 0.0728
"""Of water, N/m."""
SWING = 0.6
"""Relative amplitude of a streak's brightness as the drop oscillates; ours."""


def extinction_per_kilometre(rate: float) -> float:
    """Extinction coefficient of rain at ``rate`` mm/h, 0.312 R^0.67 (Weber et al. 2015)."""
    return float(0.312 * rate**0.67)


def transmission(depth: Depth, rate: float) -> Floats:
    """Share of light that passes ``depth`` metres of rain, (H, W)."""
    if rate == 0:
        return np.ones(depth.shape, dtype=np.float32)  # exp(-0 * inf) would be NaN
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
    surroundings: Floats | None = None,
) -> Image:
    """Renders rain on an image; a rate of 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3).
        depth: metres along the optical axis, (H, W), infinite for sky.
        rate: mm/h.
        generator: draws the drops.
        camera: lens and sensor.
        severity: factor on extinction and the opacity of streaks; 1 is the physics.
        surroundings: light that far drops scatter, (3,), in 0 to 1; it also limits the brightness
            of streaks. With the sky's light the veil ends in the sky. None is as published: the
            image's mean, and no limit.

    Raises:
        InputError: rate or severity is negative or not finite, or depth does not fit the image.
    """
    check_amount("rain", rate)
    check_amount("severity", severity)
    check_depth(depth, image)
    if rate == 0 or severity == 0:
        return image.copy()
    light = image.astype(np.float32) / 255.0
    light = _veil(light, depth, rate, camera, severity, surroundings)
    wet = _streaks(light, depth, rate, generator, camera, severity)
    if surroundings is not None:  # no drop is brighter than the light on it
        wet = np.minimum(wet, np.maximum(light, airlight_of(light, camera, surroundings)))
    light = wet
    return np.asarray(np.rint(np.clip(light, 0, 1) * 255), dtype=np.uint8)


def _veil(
    light: Floats,
    depth: Depth,
    rate: float,
    camera: Camera,
    severity: float,
    surroundings: Floats | None = None,
) -> Floats:
    """Attenuation and airlight of drops that are too far to be drawn as streaks."""
    through = transmission(np.minimum(depth, np.float32(SKY)), rate) ** np.float32(severity)
    radius = 50.0 * light.shape[1] / 1020
    through = np.clip(along_edges(through, light, radius=radius), through.min(), 1)[..., None]
    airlight = airlight_of(light, camera, surroundings)
    return np.asarray(light * through + np.clip(airlight * (1 - through), 0, 1), np.float32)


def airlight_of(light: Floats, camera: Camera, surroundings: Floats | None = None) -> Floats:
    """Light that dense rain sends to the camera, (3,), in 0 to 1."""
    around = light.mean(axis=(0, 1)) if surroundings is None else surroundings
    irradiance = (
        4 * camera.f_number**2 / (camera.exposure * 1e-3 * camera.gain * math.pi)
    ) * around
    return np.asarray(phase(math.pi / 2) * irradiance, np.float32)


def _streaks(
    light: Floats,
    depth: Depth,
    rate: float,
    generator: np.random.Generator,
    camera: Camera,
    severity: float,
) -> Floats:
    """Near drops, each a line as long as its path during the exposure.

    A drop covers a pixel for the share tau_1 / t = d / (L + d) of the exposure and adds its own
    light in proportion to tau_1 / tau_0. I becomes (1 - tau_1 / t) I + S tau_1 / tau_0 (Garg and
    Nayar 2007).
    """
    height, width = light.shape[:2]
    diameter, centre = draw_drops(rate, generator, camera, height / width)
    velocity = np.zeros_like(centre)
    velocity[:, 1] = fall_speed(diameter)
    velocity[:, 2] = -camera.speed
    turns = oscillation(diameter)
    begin = generator.uniform(0, 2 * math.pi, len(diameter))

    def brightness(
        seconds: npt.NDArray[np.float64], drop: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        return np.asarray(1 + SWING * np.sin(turns[drop] * seconds + begin[drop]))

    drops = Particles(diameter, centre, velocity)
    covered = coverage(drops, depth, camera, brightness=brightness) * np.float32(severity)
    glow = FIELD * wide_field(light) + AMBIENT * light.mean(axis=(0, 1))
    seconds = camera.exposure * 1e-3
    added = covered * np.float32(seconds / OSCILLATION)
    return np.asarray(light * np.exp(-covered)[..., None] + glow * added[..., None], np.float32)


def draw_drops(
    rate: float, generator: np.random.Generator, camera: Camera, aspect: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """All drops in view that are at least one sensor pixel wide: `streaks.draw_particles`.

    Args:
        rate: mm/h, above 0.
        generator: draws number, sizes and positions.
        camera: drops fill its view.
        aspect: image height over width.
    """
    slope = drop_density_slope(rate)

    def density(diameter: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(DROPS_PER_CUBIC_METRE * np.exp(-slope * diameter))

    return draw_particles(density, (SMALLEST, LARGEST), generator, camera, aspect)


def oscillation(diameter: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Angular frequency in rad/s at which a drop of ``diameter`` mm oscillates.

    The lowest mode of Rayleigh 1879: sqrt(8 sigma / (rho r^3)).
    """
    radius = diameter * 0.5e-3
    return np.asarray(np.sqrt(8 * SURFACE_TENSION / (1000.0 * radius**3)))
