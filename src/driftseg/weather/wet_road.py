"""A wet road: darker, with reflections.

The film of water traps light, which darkens rough surfaces (Lekner and Dorf 1988). Reflection
follows Fresnel's law for water (n = 1.33, in Schlick's form): strong near the horizon, weak under
the camera. Objects stand upright where they meet the ground, as in the road-plane depth. The ground
k rows below that line reflects the pixel k rows above it. Ours: the darkening, the roughness, and
the puddles.
"""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image
from driftseg.weather.amounts import check_share
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import Floats, check_depth, distance_along_rays
from driftseg.weather.geometry import Geometry, Mask, ground_noise, known_ground

HEAD_ON = 0.02
"""Share of light that water reflects at normal incidence, ((n - 1) / (n + 1))^2."""
DARKER = 0.35
"""Share of light that wet asphalt loses."""


def wet_road(
    image: Image,
    geometry: Geometry,
    wetness: float,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
) -> Image:
    """Renders wet ground; a wetness of 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3).
        geometry: must know what is ground.
        wetness: 0 to 1.
        generator: draws the puddles.
        camera: its height and focal length give the viewing angle of the ground.

    Raises:
        InputError: wetness is outside 0 to 1, depth does not fit the image, or the ground is
            unknown.
    """
    check_share("wet_road", wetness)
    check_depth(geometry.depth, image)
    if wetness == 0:
        return image.copy()
    ground = known_ground(geometry, "wet_road")
    light = np.asarray(image / 255, np.float32)
    height, width = ground.shape
    wet = ground_noise(geometry.depth, camera, generator, metres=1.5)
    wet = np.float32(wetness) * np.clip(0.5 + wet, 0, 1) * ground
    mirrored = cv2.GaussianBlur(
        mirror(light, ground), (0, 0), 0.002 * width + 0.3, sigmaY=0.02 * height
    )
    share = (wet * mirrored_share(geometry, camera))[..., None]
    own = light * (1 - DARKER * wet)[..., None]
    seen = own * (1 - share) + mirrored * share
    return np.asarray(np.rint(np.clip(seen, 0, 1) * 255), np.uint8)


def mirror(light: Floats, ground: Mask) -> Floats:
    """Reflection in each pixel of the ground as if it were a mirror, (H, W, 3)."""
    height = len(ground)
    rows = np.arange(height)[:, None]
    stands = np.maximum.accumulate(np.where(ground, -1, rows), axis=0)
    # The upper row of the picture replaces rows above it.
    above = np.clip(2 * stands + 1 - rows, 0, height - 1)
    seen = np.take_along_axis(light, above[..., None], axis=0)
    return np.asarray(np.where(ground[..., None], seen, light), np.float32)


def mirrored_share(geometry: Geometry, camera: Camera) -> Floats:
    """Share of light that water on the ground reflects (Fresnel, in Schlick's form), (H, W)."""
    distance = np.maximum(distance_along_rays(geometry.depth, camera), camera.height)
    cosine = camera.height / distance
    return np.asarray(HEAD_ON + (1 - HEAD_ON) * (1 - cosine) ** 5, np.float32)
