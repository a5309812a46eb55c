"""Files that are whole or not there, and labels that are linked."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from driftseg.errors import InputError, UnreadableError

PARTIAL = ".partial"


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file under another name in its folder and then gives it its own.

    Raises:
        InputError: it cannot be written; nothing is left of it.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(
            f"{path}: expected a file that can be written, got an error ({error.strerror}). To "
            "fix: correct that and give the same command again, which continues"
        ) from None


def remove_file(folder: Path, name: str) -> None:
    """Removes a file below a folder, where it is there, and the folders that are empty then.

    Raises:
        InputError: it cannot be removed.
    """
    path = folder / name
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: expected an old file that can be removed, got an error ({error.strerror}). "
            "To fix: check the folder's permissions"
        ) from None
    with contextlib.suppress(OSError):  # which says that one is not empty
        for above in path.parents:
            if above == folder:
                break
            above.rmdir()


def remove_partial(folder: Path) -> None:
    """Removes what a killed process has left half-written."""
    for path in folder.rglob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def digest_of(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def state_of(path: Path, name: str, digest: str | None = None) -> dict[str, Any]:
    """What tells whether a file is still the same.

    Args:
        path: the file.
        name: what it is called in the record.
        digest: of its bytes, where it is known.

    Raises:
        UnreadableError: the file is not there or cannot be read.
    """
    try:
        told = path.stat()
        digest = digest or digest_of(path.read_bytes())
    except OSError as error:
        raise UnreadableError(
            f"{path}: expected a readable file, got an error ({error.strerror}). To fix: check the "
            "file and its permissions"
        ) from None
    return {
        "file": name, "digest": digest, "bytes": told.st_size, "modified": told.st_mtime_ns
    }  # fmt: skip


def unchanged(path: Path, state: dict[str, Any]) -> bool:
    """Whether a file is what a record says, by size and time, or else by its digest."""
    try:
        told = path.stat()
        if told.st_size != state["bytes"]:
            return False
        if told.st_mtime_ns == state["modified"]:
            return True
        same: bool = digest_of(path.read_bytes()) == state["digest"]
        return same
    except OSError:
        return False
