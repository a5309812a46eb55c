"""The light of a scene: its colour and exposure, its sky, and what clouds do to it.

Ours: an appearance model, no physics. The white and greys of weather come from here. Snow, fog and
veil therefore have the colour cast and exposure of the image, and rain falls under clouds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Image
from driftseg.weather.depth import Floats
from driftseg.weather.geometry import Geometry, sky_share
from driftseg.weather.lamps import light_sources
from driftseg.weather.smoothing import along_edges

GAMMA = 2.2
TRUST = 0.7
"""Share of the measured colour cast that comes from the light; the rest is the colour of the
scene."""
MEAN_REFLECTANCE = 0.2
"""Mean reflectance of streets; white is brighter than the mean by the inverse factor, in linear
light."""
FLATTEN = 0.6
"""Share of the log contrast between sun and shadow that full clouds remove."""
GREYER = 0.5
"""Share of the saturation that full clouds remove."""
DARKER = 0.12
"""Share of the light that full clouds remove after the camera has adapted its exposure."""


@dataclass(frozen=True)
class Light:
    """Colours of the scene's light, each (3,), as stored values in 0 to 1."""

    white: Floats
    """Colour of a white surface under clouds."""
    sky: Floats
    """Colour of the clouds."""


def light_of(light: Floats, geometry: Geometry) -> Light:
    """The light of a picture.

    Args:
        light: the picture, (H, W, 3), in 0 to 1.
        geometry: says what is sky.
    """
    sky = sky_share(geometry)
    small = cv2.resize(light, (96, 72), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    open_sky = cv2.resize(sky, (96, 72), interpolation=cv2.INTER_AREA).reshape(-1)
    below = open_sky < 0.1
    chosen = small[below if below.sum() >= 50 else ...].astype(np.float64)
    mean = (chosen**GAMMA).mean()
    # Casts of the grey road and of the whole image: only what they share comes from the light. A
    # road in shade is blue under a blue sky, and walls in the sun are warm.
    casts = [_cast(colour) for colour in (_road_colour(light, geometry), chosen.mean(axis=0))]
    same = np.sign(casts[0]) == np.sign(casts[1])
    agreed = np.where(same, np.sign(casts[0]) * np.minimum(*np.abs(casts)), 0)
    cast = np.exp(TRUST * (agreed - agreed.max()))
    level = float(np.clip(mean / MEAN_REFLECTANCE, 0.03, 0.8)) ** (1 / GAMMA)
    white = level * cast
    clouds = float(np.clip(white.max() * 1.1, 0.2, 0.9))
    if (seen := open_sky > 0.9).sum() >= 20:  # the exposure of the visible sky
        clouds = max(clouds, 0.9 * float(np.median(small[seen].max(axis=1))))
    clouds = min(clouds, 0.9)
    sky_colour = clouds * (white / white.max())
    return Light(white.astype(np.float32), sky_colour.astype(np.float32))


def _cast(colour: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Deviation of each channel from grey, in logarithms, (3,)."""
    logs = np.log(np.maximum(colour, 1e-3)).astype(np.float64)
    return np.asarray(logs - logs.mean())


def _road_colour(light: Floats, geometry: Geometry) -> Floats:
    """The median colour of the ground, (3,); most ground is grey.

    If the ground is unknown, it is the median of the lower middle of the picture.
    """
    ground = geometry.ground
    if ground is not None and ground.mean() > 0.02:
        return np.asarray(np.median(light[ground], axis=0), np.float32)
    height, width = light.shape[:2]
    middle = light[int(0.65 * height) : int(0.95 * height), width // 4 : width - width // 4]
    return np.asarray(np.median(middle.reshape(-1, 3), axis=0), np.float32)


def overcast(image: Image, geometry: Geometry, amount: float, *, light: Light) -> Image:
    """Renders clouds; an amount of 0 returns an equal copy.

    The contrast between sun and shadow and the saturation become smaller, and the sky becomes an
    even grey. The log brightness is smoothed along edges, so it shows sun and shadow without the
    texture of the surfaces. A share of its contrast is removed.

    Args:
        image: RGB, (H, W, 3).
        geometry: says what is sky.
        amount: 0 to 1.
        light: of the image.
    """
    if amount == 0:
        return image.copy()
    values = np.asarray(image / np.float32(255), np.float32)
    sky = sky_share(geometry)
    bright = values.mean(axis=2) + np.float32(0.02)
    logs = np.log(bright)
    below = float(np.median(logs[sky < 0.5])) if (sky < 0.5).any() else float(np.median(logs))
    held = np.where(sky > 0.5, below, logs).astype(np.float32)  # a bright sky is not sunlight
    base = along_edges(held, held[..., None], radius=0.06 * image.shape[1], edge=0.35)
    gain = np.exp(-amount * FLATTEN * (base - below)) * (1 - amount * DARKER)
    lit = values * np.minimum(gain, 2.5)[..., None]
    grey = lit.mean(axis=2, keepdims=True) * (light.white / light.white.mean())
    lit = lit + np.float32(amount * GREYER) * (grey - lit)
    shining = light_sources(image, geometry)[..., None]  # lamps do not change
    lit = lit * (1 - shining) + values * shining
    clouds = _clouds(len(values), light)
    share = (np.float32(amount) * sky)[..., None]
    lit = lit * (1 - share) + clouds * share
    return np.asarray(np.rint(np.clip(lit, 0, 1) * 255), np.uint8)


def _clouds(height: int, light: Light) -> Floats:
    """An even sky, a little brighter towards the horizon, (H, 1, 3)."""
    down = np.linspace(0.93, 1.0, height, dtype=np.float32)[:, None, None]
    return np.asarray(light.sky * down, np.float32)
