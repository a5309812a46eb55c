"""Physics of weather, and the camera it is seen through; usable alone, image by image.

>>> import numpy as np
>>> from driftseg import weather
>>> image = np.full((48, 64, 3), 120, dtype=np.uint8)
>>> metres = np.full((48, 64), 50.0)
>>> wet = weather.rain(image, metres, rate=100)
>>> wet.shape, wet.dtype, bool((wet == weather.rain(image, metres, rate=100)).all())
((48, 64, 3), dtype('uint8'), True)
>>> int(weather.fog(image, metres, visibility=150).mean()) > 120  # towards the light of the fog
True
"""

# The modules rain, fog, night, ... are loaded by now, for `alone` imports them. So these names
# stay bound to the functions: a module is put here only when it is first loaded.
from driftseg.weather.alone import fog, lens_drops, night, rain, snow, wet_road
from driftseg.weather.camera import CAMERAS, Camera

__all__ = ["CAMERAS", "Camera", "fog", "lens_drops", "night", "rain", "snow", "wet_road"]
