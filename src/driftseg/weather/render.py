"""All kinds of weather together, in a fixed order."""

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
"""The renderer's version. Increase it with every change of pixels. Records of runs name it, and a
weather set on disk is continued only by the same version. A test pins the output."""


def render(
    image: Image,
    geometry: Geometry,
    conditions: Conditions,
    generator: np.random.Generator,
    *,
    camera: Camera = CITYSCAPES,
    severity: float = 1.0,
) -> Image:
    """Renders these conditions on an image; without weather, returns an equal copy.

    The order is: clouds; snow and water on the ground; fog, rain and snow in the air; drops on the
    lens; night and sensor noise. Streaks are within a few metres of the lens, so fog is rendered
    before them, and they refract foggy light. In fog, light comes from a distance of at most 1 /
    beta on average, which limits the depth of rain. White and grey are those of the scene's own
    light (`light`). If the ground is unknown, rain does not wet it; if the conditions ask for a wet
    road, that is an error.

    Args:
        image: RGB, (H, W, 3).
        geometry: of the same size.
        conditions: the weather.
        generator: draws drops, flakes and noise.
        camera: for which weather is rendered.
        severity: factor on rain, fog and falling snow; 1 is the physics.

    Raises:
        InputError: depth does not fit the image, or the conditions need the ground and it is
            unknown.
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
