"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

HALF = ".partial"
"""How the names of files end that are still being written."""


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes a file beside its place and then renames it.

    Args:
        path: the file.
        data: its contents.
        durable: whether the file outlives a power cut too: it and its folder's entry are forced to
            the disk.

    Raises:
        OSError: it cannot be written; what was at its place stays, and nothing half-written.
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
    """Forces a folder's entries to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_halves(folder: Path) -> None:
    """Removes what a killed process was still writing."""
    for half in folder.rglob(f"*{HALF}"):
        if half.is_file():
            half.unlink(missing_ok=True)
