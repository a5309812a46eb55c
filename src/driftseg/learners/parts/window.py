"""The window of a frame that is learnt from, where source images are smaller than frames."""

from __future__ import annotations

import numpy as np

from driftseg.errors import InputError

Window = tuple[slice, slice]
"""Rows and columns."""


def window(
    frame: tuple[int, int], size: tuple[int, int], generator: np.random.Generator, *, why: str
) -> Window | None:
    """Where in a frame a window lies; drawn with the same chance everywhere.

    Args:
        frame: (height, width) of the frame.
        size: (height, width) of the window.
        generator: drawn from only where the frame is larger.
        why: what wants one size, for the error.

    Returns:
        None where the window is the frame.

    Raises:
        InputError: the frame is smaller than the window.
    """
    if frame == size:
        return None
    if frame[0] < size[0] or frame[1] < size[1]:
        raise InputError(
            f"replay: expected frames of the size of its crops, {size}, because {why} needs one "
            f"size, got {frame} (height, width). To fix: set the target's size"
        )
    top, left = (int(generator.integers(0, f - s + 1)) for f, s in zip(frame, size, strict=True))
    return np.s_[top : top + size[0], left : left + size[1]]
