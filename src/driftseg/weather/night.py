"""Night: a day picture relit by street lamps, headlights and visible light sources.

Ours: an appearance model, no physics. The image is made linear. Faint warm light of lamps, the
car's own headlights and a nearly black sky replace daylight. The headlights decrease with the
square of the distance, in a cone that points slightly below the horizon. The exposure follows
the picture's. Light sources of the picture keep their light and glow (`lamps`). Then sensor
noise is added. No new lamps are drawn.
"""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image
from driftseg.weather.amounts import check_share
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import Floats, check_depth
from driftseg.weather.geometry import Geometry, guessed_sky, sky_share
from driftseg.weather.lamps import light_sources

GAMMA = 2.2
AMBIENT = 0.1
"""Share of daylight that street lamps and the longer exposure give."""
WARM = (1.0, 0.78, 0.5)
"""Colour of street lamps, RGB."""
HEADLIGHTS = 0.7
"""Share of daylight that headlights give up to `HEADLIGHT_DISTANCE`."""
HEADLIGHT_DISTANCE = 8.0
"""Metres up to which the headlights light the road fully."""
SKY = 0.015
"""Share of the day's sky light in a city sky at night."""
EXPOSED = 0.17
"""Mean linear light, without the sky, to which the day picture is brightened first."""
SHOT, READ = 6e-4, 1.5e-5
"""Variance of the noise at linear light 1 and at 0."""
COMMON = 0.6
"""Share of the noise that is the same in all channels."""


def night(
    image: Image,
    geometry: Geometry,
    strength: float,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
) -> Image:
    """Renders night; a strength of 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3), taken by day.
        geometry: depth for the headlights, and the sky. If the sky is unknown, it is what is
            infinitely far, or a guess from brightness above the horizon.
        strength: 0 is day, 1 night; between them illuminations are mixed in logarithms.
        generator: draws the noise.
        camera: horizon and focal length of the headlights' cone.

    Raises:
        InputError: strength is outside 0 to 1, or depth does not fit the image.
    """
    check_share("night", strength)
    check_depth(geometry.depth, image)
    if strength == 0:
        return image.copy()
    light = np.asarray((image.astype(np.float32) / 255) ** GAMMA, np.float32)
    sky = sky_of(image, geometry, camera)
    shining = light_sources(image, geometry)[..., None]
    lit = illumination(geometry, sky, camera) ** np.float32(strength)
    own = light * shining
    # The exposure adapts: a dark picture does not give a darker night.
    level = float(light[sky < 0.1].mean()) if (sky < 0.1).any() else float(light.mean())
    gain = np.float32(np.clip(EXPOSED / max(level, 1e-3), 1, 4) ** strength)
    light = light * (1 + (gain - 1) * (1 - sky[..., None]))
    height = image.shape[0]
    glow = sum(cv2.GaussianBlur(own, (0, 0), height * part) for part in (0.006, 0.025))
    light = light * lit * (1 - shining) + own + np.float32(1.5 * strength) * glow
    noise = COMMON * generator.standard_normal((*light.shape[:2], 1), dtype=np.float32)
    noise = noise + (1 - COMMON) * generator.standard_normal(light.shape, dtype=np.float32)
    light += np.float32(strength) * noise * np.sqrt(SHOT * np.clip(light, 0, 1) + READ)
    seen = np.clip(light, 0, 1) ** np.float32(1 / GAMMA)
    return np.asarray(np.rint(seen * 255), np.uint8)


def illumination(geometry: Geometry, sky: Floats, camera: Camera) -> Floats:
    """The night's light as a share of the day's, (H, W, 3), in 0 to 1."""
    depth = np.maximum(geometry.depth, 0.1)
    height, width = depth.shape
    down = (np.arange(height) + 0.5 - camera.horizon * height)[:, None]
    aside = (np.arange(width) + 0.5 - width / 2)[None, :]
    focal = camera.focal_pixels(width)
    # Headlights are below the camera and point about one degree down.
    cone = 1 / (1 + np.exp(-(np.degrees(np.arctan(down / focal)) + 0.5) / 0.6))
    cone = cone * np.exp(-((np.degrees(np.arctan(aside / focal)) / 22) ** 2))
    near = np.minimum(1, HEADLIGHT_DISTANCE / depth) ** 2
    lamps = AMBIENT * np.asarray(WARM, np.float32)
    lit = lamps + (HEADLIGHTS * cone * near)[..., None]
    shade = sky[..., None]
    dark = SKY * np.asarray((0.8, 0.85, 1.0), np.float32)
    return np.asarray(np.clip(lit * (1 - shade) + dark * shade, 1e-4, 1), np.float32)


def sky_of(image: Image, geometry: Geometry, camera: Camera) -> Floats:
    """Share of sky in each pixel, (H, W), in 0 to 1, with soft edges."""
    light = np.asarray(image / np.float32(255), np.float32)
    known = sky_share(geometry)
    if geometry.sky is None and geometry.sky_share is None and not known.any():
        known = guessed_sky(light, camera)
    soft = cv2.GaussianBlur(known, (0, 0), 0.002 * image.shape[1] + 0.3)
    return np.asarray(soft, np.float32)
