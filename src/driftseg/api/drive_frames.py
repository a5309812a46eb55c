"""Number, shape and size of the frames of a drive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.images.listing import IMAGE_SUFFIXES, list_images
from driftseg.scenes.capture import open_file

LONGEST = 1024
"""Pixels of the longer side that frames are shrunk to where no size is given."""
MULTIPLE = 32
"""Sides are multiples of it then, as many networks want."""
SAME_ASPECT = 0.02
"""By how much aspect ratios may differ and count as one."""


def fitting(width: int, height: int) -> tuple[int, int]:
    """A size no larger than frames are, and than `LONGEST`; sides are multiples of `MULTIPLE`."""
    factor = min(1.0, LONGEST / max(width, height))
    sides = (int(side * factor) // MULTIPLE * MULTIPLE for side in (width, height))
    wide, high = (max(MULTIPLE, side) for side in sides)
    return wide, high


def check_shape(name: str, image: Image, first: Image, *, given: bool) -> None:
    """Raises InputError if a frame has another shape than the first one.

    With a size that was given, frames of one aspect ratio are brought to it.
    """
    (height, width), (high, wide) = image.shape[:2], first.shape[:2]
    if (height, width) == (high, wide):
        return
    if given and abs(width * high / (wide * height) - 1) <= SAME_ASPECT:
        return
    raise InputError(
        f"frame {name}: expected {wide}x{high} as the frames before it, got {width}x{height}. To "
        "fix: bring all frames to one size; frames of one aspect ratio can be shrunk by size"
    )


def shrunk(image: Image, size: tuple[int, int], name: str = "frames") -> Image:
    """The image at a size; its shape is changed a little where sides are rounded."""
    import cv2

    if (image.shape[1], image.shape[0]) == size:
        return image
    if image.shape[1] < size[0] or image.shape[0] < size[1]:
        raise InputError(
            f"{name}: expected a frame of at least {size[0]}x{size[1]}, got "
            f"{image.shape[1]}x{image.shape[0]}. To fix: set a smaller size"
        )
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def length_of(
    source: str | Path | int, start: int, stop: int | None, every: int
) -> tuple[list[str] | None, int | None, float]:
    """Names of frames where they are files, how many there are, and how many a second."""
    if isinstance(source, int) or "://" in str(source):
        return None, None, 25.0
    path = Path(source).expanduser()
    if path.is_dir():
        names = [p.stem for p in list_images(path)][start:stop:every]
        return names, len(names), 25.0
    if not path.is_file() or path.suffix.lower() in IMAGE_SUFFIXES:
        return None, None, 25.0
    capture = open_file(path)
    try:
        count, rate = int(capture.get(7)), float(capture.get(5))  # frames; frames a second
    finally:
        capture.release()
    last = count if stop is None else min(stop, count)
    known = count > 0 and last > start
    return None, -(-(last - start) // every) if known else None, rate if 0 < rate <= 1000 else 25.0
