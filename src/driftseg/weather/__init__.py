"""The physics of weather, and the camera. Can be used alone, image by image.

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

# `alone` has already imported the modules rain, fog, night, ... Python binds a submodule to its
# name only at its first import, so these names stay bound to the functions.
from driftseg.weather.alone import fog, lens_drops, night, rain, snow, wet_road
from driftseg.weather.camera import CAMERAS, Camera

__all__ = ["CAMERAS", "Camera", "fog", "lens_drops", "night", "rain", "snow", "wet_road"]
