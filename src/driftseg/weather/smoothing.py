"""Smoothing for weather: wide, or along the edges of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_MOST_ROWS = 256
"""Rows of the small copy on which smooth maps are computed."""


def wide_field(light: Floats) -> Floats:
    """The mean over half the image's width and height around each pixel, (H, W, 3)."""
    height, width = light.shape[:2]
    small = _shrunk(light)
    size = (small.shape[1] // 2 | 1, small.shape[0] // 2 | 1)
    return np.asarray(cv2.resize(cv2.blur(small, size), (width, height)), np.float32)


def along_edges(values: Floats, light: Floats, *, radius: float, edge: float = 0.05) -> Floats:
    """Smooths (H, W) within similar regions of the picture and keeps its edges.

    Guided filter (He et al. 2010, fast form of 2015): within each window the result is an affine
    function of the picture's brightness, fitted on a small copy. OpenCV has it only in its contrib
    package, which cannot be installed beside the plain package.

    Args:
        values: (H, W).
        light: the guiding picture, (H, W, 3), in 0 to 1.
        radius: of the windows, in pixels.
        edge: contrast of the picture that counts as an edge.
    """
    height, width = values.shape
    guide = light.mean(axis=2, dtype=np.float32).astype(np.float32)
    small_guide, small = _shrunk(guide), _shrunk(values)
    reach = max(1, round(radius * small.shape[1] / width))
    size = (2 * reach + 1, 2 * reach + 1)

    def mean(x: Floats) -> Floats:
        return np.asarray(cv2.blur(x, size), np.float32)

    centre, average = mean(small_guide), mean(small)
    variance = mean(small_guide * small_guide) - centre * centre
    together = mean(small_guide * small) - centre * average
    slope = np.asarray(together / (variance + edge**2), np.float32)
    offset = np.asarray(average - slope * centre, np.float32)

    def enlarged(x: Floats) -> Floats:
        return np.asarray(cv2.resize(mean(x), (width, height)), np.float32)

    return np.asarray(enlarged(slope) * guide + enlarged(offset), np.float32)


def _shrunk(values: npt.NDArray[np.float32]) -> Floats:
    height, width = values.shape[:2]
    if height <= _MOST_ROWS:
        return values
    size = (max(1, round(width * _MOST_ROWS / height)), _MOST_ROWS)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
