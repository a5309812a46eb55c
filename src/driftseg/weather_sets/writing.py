"""Writes and removes files safely, and records their state."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from driftseg.errors import InputError, UnreadableError

PARTIAL = ".partial"


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name in its folder and then renames it.

    Raises:
        InputError: it cannot be written; no partial file stays.
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
    """Removes a file below a folder, if it exists, and folders that become empty.

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
    with contextlib.suppress(OSError):  # the folder is not empty
        for above in path.parents:
            if above == folder:
                break
            above.rmdir()


def remove_partial(folder: Path) -> None:
    """Removes partial files of a killed process."""
    for path in folder.rglob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def digest_of(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def state_of(path: Path, name: str, digest: str | None = None) -> dict[str, Any]:
    """The state of a file, to detect changes.

    Args:
        path: the file.
        name: its name in the record.
        digest: of its bytes, if known.

    Raises:
        UnreadableError: the file is missing or cannot be read.
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
    """Whether a file matches a record, by size and time, otherwise by its digest."""
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
