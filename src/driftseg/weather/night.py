"""Night: the day's picture in the light of street lamps, headlights and what shines by itself.

Ours, an appearance rather than physics: light is linearised, the day's illumination replaced by a
faint warm one that lamps give, by the own headlights (falling with the square of the distance, in a
cone that dips below the horizon) and by a nearly black sky. What shines in the picture keeps its
light and glows. Then the sensor adds its noise, since it is short of light. No lamps are invented
where there are none, and by day a lamp that is lit looks like much else that is bright: taken for
one is what is small, much brighter than its surroundings and, above the horizon, of a strong
colour, since white there is the sky between branches or a wall in the sun.
"""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image
from driftseg.weather.amounts import check_share
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import Floats, check_depth
from driftseg.weather.geometry import Geometry

GAMMA = 2.2
AMBIENT = 0.1
"""Of the day's light that street lamps and the camera's longer exposure make up for."""
WARM = (1.0, 0.78, 0.5)
"""Colour of street lamps, RGB."""
HEADLIGHTS = 0.7
"""Of the day's light, at `HEADLIGHT_DISTANCE` and nearer."""
HEADLIGHT_DISTANCE = 8.0
"""Metres up to which the road is fully lit by the own headlights."""
SKY = 0.015
"""Of the day's sky that a city's sky keeps."""
SHOT, READ = 6e-4, 5e-5
"""Variance of the noise for linear light 1 and for none."""


def night(
    image: Image,
    geometry: Geometry,
    strength: float,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
) -> Image:
    """The image as it would look at night; a strength of 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3), taken by day.
        geometry: depth for the headlights; the sky where it is known, otherwise what is infinitely
            far or above the horizon and as bright as it.
        strength: 0 is day, 1 night; between them illuminations are mixed by their logarithms.
        generator: draws the noise.
        camera: horizon and focal length of the headlights' cone.

    Raises:
        InputError: a strength outside 0 to 1, or a depth that does not fit the image.
    """
    check_share("night", strength)
    check_depth(geometry.depth, image)
    if strength == 0:
        return image.copy()
    light = np.asarray((image.astype(np.float32) / 255) ** GAMMA, np.float32)
    sky = sky_of(image, geometry, camera)
    shining = light_sources(image, geometry, sky, camera)[..., None]
    lit = illumination(geometry, sky, camera) ** np.float32(strength)
    own = light * shining
    height = image.shape[0]
    glow = sum(cv2.GaussianBlur(own, (0, 0), height * part) for part in (0.006, 0.025))
    light = light * lit * (1 - shining) + own + np.float32(1.5 * strength) * glow
    noise = generator.standard_normal(light.shape, dtype=np.float32)
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
    # Headlights are mounted below the camera and dip by about a degree.
    cone = 1 / (1 + np.exp(-(np.degrees(np.arctan(down / focal)) + 0.5) / 0.6))
    cone = cone * np.exp(-((np.degrees(np.arctan(aside / focal)) / 22) ** 2))
    near = np.minimum(1, HEADLIGHT_DISTANCE / depth) ** 2
    lamps = AMBIENT * np.asarray(WARM, np.float32)
    lit = lamps + (HEADLIGHTS * cone * near)[..., None]
    shade = sky[..., None]
    dark = SKY * np.asarray((0.8, 0.85, 1.0), np.float32)
    return np.asarray(np.clip(lit * (1 - shade) + dark * shade, 1e-4, 1), np.float32)


def sky_of(image: Image, geometry: Geometry, camera: Camera) -> Floats:
    """How much each pixel is sky, (H, W), in 0 to 1."""
    if geometry.sky is not None:
        known = geometry.sky
    elif np.isinf(geometry.depth).any():
        known = np.isinf(geometry.depth)
    else:
        value = image.max(axis=2)
        above = np.arange(image.shape[0])[:, None] < camera.horizon * image.shape[0]
        top = value[: max(1, image.shape[0] // 10)]
        known = above & (value > 0.75 * np.quantile(top, 0.9)) & (value > 120)
    soft = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 0.002 * image.shape[1] + 0.3)
    return np.asarray(soft, np.float32)


def light_sources(image: Image, geometry: Geometry, sky: Floats, camera: Camera) -> Floats:
    """How much each pixel shines by itself, (H, W): small, bright, neither sky nor ground."""
    value = image.max(axis=2)
    above = np.arange(image.shape[0])[:, None] < camera.horizon * image.shape[0]
    colour = 1 - image.min(axis=2).astype(np.float32) / np.maximum(value, 1)
    coloured = np.clip((colour - 0.45) / 0.15, 0, 1)
    ground = np.zeros_like(above) if geometry.ground is None else geometry.ground
    may = np.where(above, coloured, 1.0) * ~ground
    size = max(3, round(0.03 * image.shape[0])) | 1
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    stands_out = cv2.morphologyEx(value, cv2.MORPH_TOPHAT, window).astype(np.float32) / 255
    bright = np.clip((value.astype(np.float32) - 200) / 40, 0, 1)
    near_sky = cv2.dilate((sky > 0.05).astype(np.uint8), window).astype(bool)
    return np.asarray(
        np.clip((stands_out - 0.3) / 0.2, 0, 1) * bright * may * ~near_sky, np.float32
    )
