"""Labels of a weather set: links, because weather does not change labels."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from driftseg.errors import InputError
from driftseg.images.reading import Size
from driftseg.scenes.idd import IDS_ENDINGS, POLYGONS_ENDING, draw_polygons
from driftseg.weather_sets.writing import PARTIAL, write_whole

Put = Literal["symbolic link", "hard link", "copy", "shrunk"]

PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of a PNG."""
PNG_BITS = 24
"""Position of the byte with the bit depth."""


def name_in_set(name: str, size: Size | None) -> str:
    """Name of a label file in a set; IDD's polygons are drawn when they are shrunk."""
    if size is None or not name.endswith(POLYGONS_ENDING):
        return name
    return name.removesuffix(POLYGONS_ENDING) + IDS_ENDINGS[0]


def put_label(source: Path, place: Path, size: Size | None) -> Put:
    """Puts a label file into a set.

    It is a relative symbolic link if the file system has them, otherwise a hard link, otherwise a
    copy. If images are shrunk, labels are shrunk to the nearest pixel in any coding; IDD's polygons
    become level 3 ids (`name_in_set`).

    Args:
        source: the label's file.
        place: its path in the set.
        size: (width, height) to which images are shrunk; None keeps their size.

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
        # If both names are hard links to one file, replacing one by the other does nothing.
        partial.unlink(missing_ok=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(
            f"{place}: expected a place where the label can be put, got an error "
            f"({error.strerror}). To fix: check the folder's permissions and free space"
        ) from None
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
    """Writes a PNG with the bit depth, colours or palette of its source."""
    if source.name.endswith(POLYGONS_ENDING):
        return _png(_nearest(draw_polygons(source), size))
    stored = source.read_bytes()
    if stored.startswith(PNG) and stored[PNG_BITS] == 16:  # Pillow keeps only 8 of them
        wide = np.asarray(cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED))
        return bytes(cv2.imencode(".png", _nearest(wide, size))[1])
    with PillowImage.open(io.BytesIO(stored)) as picture:
        palette = picture.getpalette() if picture.mode == "P" else None
        return _png(_nearest(np.asarray(picture), size), palette)


def _nearest(values: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT))


def _png(values: npt.NDArray[Any], palette: list[int] | None = None) -> bytes:
    result = PillowImage.fromarray(values)
    if palette is not None:
        result.putpalette(palette)
    buffer = io.BytesIO()
    result.save(buffer, format="PNG")
    return buffer.getvalue()
