"""Labels of a weather set: linked, since weather does not change them."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image as PillowImage

from driftseg.data.images import Size
from driftseg.data.weather_sets.writing import PARTIAL, write_whole
from driftseg.errors import InputError

Put = Literal["symbolic link", "hard link", "copy", "shrunk"]


def put_label(source: Path, place: Path, size: Size | None) -> Put:
    """Makes a label file appear in a set.

    By a relative symbolic link where the file system has such, otherwise by a hard link, and at
    last by a copy. Where images are shrunk, so is a label: to the nearest pixel, whatever it
    codes its classes by.

    Args:
        source: the label's file.
        place: where it should appear.
        size: (width, height) that the images are shrunk to; None where they keep theirs.

    Raises:
        InputError: it cannot be written.
    """
    if size is not None:
        write_whole(place, _shrunk(source, size))
        return "shrunk"
    target = os.path.relpath(source.resolve(), place.parent.resolve())
    partial = place.with_name(f".{place.name}.{os.getpid()}{PARTIAL}")
    try:
        if place.is_symlink() and os.readlink(place) == target:
            return "symbolic link"
        place.parent.mkdir(parents=True, exist_ok=True)
        how = _link(source, target, partial)
        os.replace(partial, place)
        # Where both names are hard links to one file, replacing one by the other does nothing.
        partial.unlink(missing_ok=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(f"{place}: the label cannot be put there ({error.strerror})") from None
    return how


def _link(source: Path, target: str, partial: Path) -> Put:
    with contextlib.suppress(OSError, NotImplementedError):
        os.symlink(target, partial)
        return "symbolic link"
    with contextlib.suppress(OSError, NotImplementedError):
        os.link(source.resolve(), partial)
        return "hard link"
    shutil.copy2(source, partial)
    return "copy"


def _shrunk(source: Path, size: Size) -> bytes:
    """As a PNG with the colours or palette of its source."""
    with PillowImage.open(source) as picture:
        values, palette = np.asarray(picture), picture.getpalette()
        coloured = picture.mode == "P"
    small = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT))
    result = PillowImage.fromarray(small)
    if coloured and palette is not None:
        result.putpalette(palette)
    buffer = io.BytesIO()
    result.save(buffer, format="PNG")
    return buffer.getvalue()
