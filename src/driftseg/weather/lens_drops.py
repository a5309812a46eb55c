"""Drops on the lens or the windscreen: blurred little fisheyes that show the scene upside down.

A drop before the lens gathers light from nearly everywhere and turns it over; it is far out of
focus, so its rim is soft. Ours throughout: an appearance, not a ray tracing.
"""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image
from driftseg.weather.amounts import check_share

SMALLEST, LARGEST = 0.012, 0.06
"""Radii as shares of the image's height; as many in each octave."""
FIELD = 0.4
"""Share of the image's height that a drop shows from its middle to its rim."""


def lens_drops(image: Image, share: float, generator: np.random.Generator) -> Image:
    """The image behind drops that cover ``share`` of it; 0 returns an equal copy.

    Args:
        image: RGB, (H, W, 3).
        share: of the picture, 0 to a half; more would be a sheet of water.
        generator: draws sizes and places.

    Raises:
        InputError: a share outside 0 to a half.
    """
    check_share("lens_drops", share, 0.5)
    if share == 0:
        return image.copy()
    height, width = image.shape[:2]
    light = image.astype(np.float32)
    columns, rows = (grid.astype(np.float32) for grid in np.meshgrid(range(width), range(height)))
    opacity = np.zeros((height, width), np.float32)
    shade = np.ones((height, width), np.float32)
    # Drops may overlap, so it takes more than their areas add up to: Poisson's 1 - exp(-n a).
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
        # Light reaches the upper rim of a drop from the road and the lower one from the sky.
        dim = 1 - 0.25 * np.clip(away, 0, 1) ** 4 + 0.08 * down / radius
        shade[part] = np.where(show, dim, shade[part])
        opacity[part] = np.maximum(opacity[part], inside)
    blurred = cv2.GaussianBlur(light, (0, 0), 0.012 * height)
    seen = cv2.remap(blurred, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = cv2.GaussianBlur(seen * shade[..., None], (0, 0), 0.004 * height + 0.3)
    light += opacity[..., None] * (seen - light)
    return np.asarray(np.rint(np.clip(light, 0, 255)), np.uint8)
