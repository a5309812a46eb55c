"""Light sources in a picture taken by day.

By day a lit lamp looks like many other bright things. A lamp is therefore a small spot that is much
brighter than its surroundings, warm and of a strong colour. On objects that labels mark as carriers
of lamps, any small bright spot counts.
"""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image
from driftseg.weather.depth import Floats
from driftseg.weather.geometry import Geometry, sky_share


def light_sources(image: Image, geometry: Geometry) -> Floats:
    """How much each pixel is a light source, (H, W): small, bright, neither sky nor ground.

    Lamps are warm and of a strong colour. Bright spots on objects that labels mark as carriers of
    lamps may have any colour.
    """
    value = image.max(axis=2)
    level = value.astype(np.float32)
    colour = 1 - image.min(axis=2) / np.maximum(level, 1)
    coloured = np.clip((colour - 0.5) / 0.15, 0, 1)
    red, blue = image[..., 0].astype(np.int16), image[..., 2].astype(np.int16)
    may = coloured * (red >= 0.9 * level) * (red - blue > 0)
    if geometry.lamps is not None:
        may = np.where(geometry.lamps, 1.0, may)
    if geometry.ground is not None:
        may = may * ~geometry.ground
    size = max(3, round(0.03 * image.shape[0])) | 1
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    stands_out = cv2.morphologyEx(value, cv2.MORPH_TOPHAT, window).astype(np.float32) / 255
    bright = np.clip((level - 200) / 40, 0, 1)
    sky = cv2.dilate((sky_share(geometry) > 0.05).astype(np.uint8), window).astype(bool)
    return np.asarray(np.clip((stands_out - 0.3) / 0.2, 0, 1) * bright * may * ~sky, np.float32)
