"""The image files of a folder, and their order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from driftseg.errors import InputError

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
     ".pnm"}
)  # fmt: skip
"""Suffixes of files that are read as images, in lower case."""

UNREAD_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".gif", ".apng", ".jp2", ".j2k", ".jpx", ".jxl", ".tga", ".dng",
     ".raw", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".exr", ".hdr", ".pcx",
     ".psd", ".dib", ".ico", ".sgi", ".pbm", ".pfm"}
)  # fmt: skip
"""Suffixes of image files that are not read. They are always counted and reported."""

DIGITS = re.compile("[0-9]+")
HASH = re.compile(r"(?=.*[0-9].*[a-f])(?:[0-9a-f]-?){8,}")
"""Names that are hexadecimal numbers; their digits are not frame numbers."""
WIDTH = 24
"""Number of digits to which a number is padded for comparison."""


def natural(name: str | Path) -> tuple[str, ...]:
    """Key of natural order: ``2.png`` comes before ``10.png``, ``drive9/1`` before ``drive10/1``.

    Names whose numbers have one width, such as ``00009`` and ``00010``, keep the order of plain
    text. Hexadecimal names (``007b-4e72``) are plain text.

    Args:
        name: text is compared as a whole; paths are compared folder by folder.
    """
    parts = name.parts if isinstance(name, Path) else (str(name),)
    return (*("/".join(map(_padded, part.split("/"))) for part in parts), str(name))


def _padded(part: str) -> str:
    if HASH.fullmatch(part.split(".")[0]):
        return part
    return DIGITS.sub(lambda digits: digits[0].zfill(WIDTH), part)


def is_image(path: Path) -> bool:
    """Whether a file is read as an image, by its suffix; hidden files are not read."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder, in natural order; hidden files are left out.

    Raises:
        InputError: the folder does not exist.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected a folder, got a path where there is none. To fix: check the path "
            "of the data"
        )
    return sorted(filter(is_image, folder.iterdir()), key=natural)


def unread_images(folders: Iterable[Path]) -> list[Path]:
    """Image files in these folders in formats that are not read, in natural order."""
    found = (path for folder in {*folders} if folder.is_dir() for path in folder.iterdir())
    return sorted(
        (p for p in found if p.suffix.lower() in UNREAD_SUFFIXES and not p.name.startswith(".")),
        key=natural,
    )


def told_unread(unread: list[Path], most: int = 3) -> str:
    """Number and names of files that are not read, and what to do; empty if there are none."""
    if not unread:
        return ""
    names = ", ".join(path.name for path in unread[:most]) + (", ..." if len(unread) > most else "")
    kinds = " ".join(sorted({path.suffix.lower() for path in unread}))
    return (
        f"{len(unread)} image files in {unread[0].parent} are not read ({kinds}: {names}); "
        "convert them to PNG or JPEG to use them"
    )
