"""Writes files completely or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

HALF = ".partial"
"""Ending of names of unfinished files."""


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes a file under a temporary name and then renames it.

    Args:
        path: the file.
        data: its contents.
        durable: whether the file survives a power failure: the file and its folder's entry are
            synced to the disk.

    Raises:
        OSError: it cannot be written; an older file stays, and no partial file.
    """
    half = path.with_name(f".{path.name}.{os.getpid()}{HALF}")
    try:
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(half, path)
    except BaseException:
        with suppress(OSError):
            half.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Syncs a folder's entries to the disk, if the system supports it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_halves(folder: Path) -> None:
    """Removes partial files of a killed process."""
    for half in folder.rglob(f"*{HALF}"):
        if half.is_file():
            half.unlink(missing_ok=True)
