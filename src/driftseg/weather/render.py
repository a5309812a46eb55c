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
from driftseg.weather.light import light_of, overcast
from driftseg.weather.night import night
from driftseg.weather.rain import rain
from driftseg.weather.snow import falling_snow, snow_cover
from driftseg.weather.wet_road import wet_road

RENDERER = 2
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

    First the clouds take the sun away. Then comes what lies on the ground (snow, water), then what
    hangs and falls in the air (fog, rain, snow), then what sticks to the lens, then the night and
    the noise of the sensor. The drops that are seen as streaks fall within a few metres of the
    lens, before what the fog has veiled, and what they refract is foggy too. What is seen in fog
    comes from no farther than 1 / beta on average, so that is as deep as the rain gets. White and
    grey are those of the scene's own light (`light`). Where nothing tells what is ground, rain wets
    none, unless the conditions ask for it.

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
    if conditions.clear:
        return image.copy()
    seen = light_of(np.asarray(image / np.float32(255), np.float32), geometry)
    image = overcast(image, geometry, conditions.overcast, light=seen)
    image = snow_cover(
        image, geometry, conditions.snow_cover, generator, camera=camera, white=seen.white
    )
    if conditions.wet_road is not None or geometry.ground is not None:
        image = wet_road(image, geometry, conditions.wetness, generator, camera=camera)
    depth = geometry.depth
    airlight = (float(seen.sky[0]), float(seen.sky[1]), float(seen.sky[2]))
    image = fog(
        image, depth, conditions.visibility, camera=camera, airlight=airlight, severity=severity
    )
    if (thickness := severity * extinction_per_kilometre(conditions.visibility)) > 0:
        depth = np.minimum(depth, np.float32(1000.0 / thickness))
    image = rain(
        image, depth, conditions.rain, generator,
        camera=camera, severity=severity, surroundings=seen.sky,
    )  # fmt: skip
    image = falling_snow(
        image, depth, conditions.snow, generator,
        camera=camera, severity=severity, white=np.maximum(seen.white, seen.sky),
    )  # fmt: skip
    image = lens_drops(image, conditions.lens_drops, generator)
    return night(image, geometry, conditions.night, generator, camera=camera)
