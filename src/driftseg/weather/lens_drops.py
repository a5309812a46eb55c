"""Drops on the lens or the windscreen: small blurred wide-angle images of the scene, upside down.

A drop in front of the lens collects light from a wide angle and inverts it. It is far out of focus,
so its rim is soft. All of it is ours: an appearance model, no ray tracing.
"""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image
from driftseg.weather.amounts import check_share

SMALLEST, LARGEST = 0.012, 0.06
"""Radii as shares of the image's height; each octave has the same number of drops."""
FIELD = 0.4
"""Share of the image's height that a drop shows from its middle to its rim."""


def lens_drops(image: Image, share: float, generator: np.random.Generator) -> Image:
    """Renders drops that cover ``share`` of the image; 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3).
        share: of the picture, 0 to 0.5.
        generator: draws sizes and positions.

    Raises:
        InputError: share is outside 0 to 0.5.
    """
    check_share("lens_drops", share, 0.5)
    if share == 0:
        return image.copy()
    height, width = image.shape[:2]
    light = image.astype(np.float32)
    columns, rows = (grid.astype(np.float32) for grid in np.meshgrid(range(width), range(height)))
    opacity = np.zeros((height, width), np.float32)
    shade = np.ones((height, width), np.float32)
    # Drops may overlap: n drops of area a cover 1 - exp(-n a) (Poisson).
    left = -np.log1p(-share) * height * width
    while left > 0:
        radius = height * SMALLEST * (LARGEST / SMALLEST) ** generator.random()
        x, y = generator.random() * width, generator.random() * height
        left -= np.pi * radius**2
        reach = int(np.ceil(radius * 1.3))
        top, side = max(0, int(y) - reach), max(0, int(x) - reach)
        part = np.s_[top : int(y) + reach + 1, side : int(x) + reach + 1]
        right, down = np.meshgrid(
            np.arange(side, min(width, int(x) + reach + 1)) - x,
            np.arange(top, min(height, int(y) + reach + 1)) - y,
        )
        away = np.hypot(right, down) / radius
        inside = np.clip((1.2 - away) / 0.5, 0, 0.9).astype(np.float32)
        show = inside > opacity[part]
        bend = FIELD * height / radius * np.clip(away, 0.3, 1.0)
        columns[part] = np.where(show, x - right * bend, columns[part])
        rows[part] = np.where(show, y - down * bend, rows[part])
        # The upper rim of a drop gets light from the road, the lower rim from the sky.
        dim = 1 - 0.25 * np.clip(away, 0, 1) ** 4 + 0.08 * down / radius
        shade[part] = np.where(show, dim, shade[part])
        opacity[part] = np.maximum(opacity[part], inside)
    blurred = cv2.GaussianBlur(light, (0, 0), 0.012 * height)
    seen = cv2.remap(blurred, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = cv2.GaussianBlur(seen * shade[..., None], (0, 0), 0.004 * height + 0.3)
    light += opacity[..., None] * (seen - light)
    return np.asarray(np.rint(np.clip(light, 0, 255)), np.uint8)
