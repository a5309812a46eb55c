"""What a camera sends when it sees nothing."""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image

KINDS = ("black", "frozen", "blur", "noise", "overexposed")
"""Those that a frame shows by itself; an inverted one looks like a scene."""


def spoilt(kind: str, image: Image, number: int = 0) -> Image:
    """The frame, spoilt in one way; of ``frozen`` frames the caller sends one again and again."""
    if kind == "black":
        return np.zeros_like(image)
    if kind == "inverted":
        return np.asarray(255 - image, dtype=np.uint8)
    if kind == "blur":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), 6), dtype=np.uint8)
    if kind == "noise":
        drawn = np.random.default_rng(number).normal(0, 80, image.shape)
        return np.asarray((image + drawn).clip(0, 255), dtype=np.uint8)
    if kind == "overexposed":
        return np.asarray((3.0 * image).clip(0, 255), dtype=np.uint8)
    return image
