"""Images of 16 bits per channel: checks that their levels use all 16 bits."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage

from driftseg.errors import MisfitError

FEWEST_LEVELS = 2**14
"""Least brightest level of 16-bit colours where white is 65535. Below it, the file probably holds
the 10, 12 or 14 bits of a sensor."""


def _is_deep(path: Path) -> bool:
    """Whether a file holds colours of 16 bits per channel; Pillow reads only the high byte."""
    with PillowImage.open(path) as picture:
        told = str([tile[3] for tile in picture.tile])
    return ";16" in told or "65535" in told


def check_levels(path: Path) -> None:
    """Raises MisfitError if a file has 16 bits per channel and its levels end far below white."""
    if not _is_deep(path):
        return
    found = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16:
        return
    brightest = int((found if found.ndim == 2 else found[..., :3]).max())
    if 0 < brightest < FEWEST_LEVELS:
        bits = max(brightest.bit_length(), 9)
        raise MisfitError(
            f"{path}: expected colours of 16 bits with white at 65535, got levels up to "
            f"{brightest}, which look like {bits} bits and would be nearly black. To fix: store "
            "the image in 8 bits, or scale its levels so that white is 65535"
        )
