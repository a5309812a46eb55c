"""All weather at once, in the order in which light meets it."""

from __future__ import annotations

import numpy as np

from driftseg.frame import Image
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.conditions import Conditions
from driftseg.weather.depth import check_depth
from driftseg.weather.fog import extinction_per_kilometre, fog
from driftseg.weather.geometry import Geometry
from driftseg.weather.lens_drops import lens_drops
from driftseg.weather.night import night
from driftseg.weather.rain import rain
from driftseg.weather.snow import falling_snow, snow_cover
from driftseg.weather.wet_road import wet_road

RENDERER = 1
"""The renderer's version. Raise it with every change that moves pixels: records of runs name it,
and no other renderer continues a weather set on disk. A test holds what this one makes."""


def render(
    image: Image,
    geometry: Geometry,
    conditions: Conditions,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
    severity: float = 1.0,
) -> Image:
    """The image as it would look in these conditions; without weather an equal copy.

    First what lies on the ground (snow, water), then what hangs and falls in the air (fog, rain,
    snow), then what sticks to the lens, then the night and the noise of the sensor. The drops
    that are seen as streaks fall within a few metres of the lens, before what the fog has veiled,
    and what they refract is foggy too. What is seen in fog comes from no farther than 1 / beta
    on average, so that is as deep as the rain gets.

    Args:
        image: RGB, (H, W, 3).
        geometry: of the same size.
        conditions: the weather.
        generator: draws drops, flakes and noise.
        camera: through which it is seen.
        severity: scales what rain, fog and falling snow do; 1 is the physics.

    Raises:
        InputError: a depth that does not fit the image, or conditions that need to know what is
            ground where nothing tells.
    """
    check_depth(geometry.depth, image)
    image = snow_cover(image, geometry, conditions.snow_cover, generator, camera=camera)
    image = wet_road(image, geometry, conditions.wet_road, generator, camera=camera)
    depth = geometry.depth
    image = fog(image, depth, conditions.visibility, camera=camera, severity=severity)
    if (thickness := severity * extinction_per_kilometre(conditions.visibility)) > 0:
        depth = np.minimum(depth, np.float32(1000.0 / thickness))
    image = rain(image, depth, conditions.rain, generator, camera=camera, severity=severity)
    image = falling_snow(image, depth, conditions.snow, generator, camera=camera, severity=severity)
    image = lens_drops(image, conditions.lens_drops, generator)
    return night(image, geometry, conditions.night, generator, camera=camera)
