"""Files that are whole or not there, and labels that are linked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, Literal

from driftseg.errors import InputError

Linked = Literal["symbolic link", "hard link", "copy"]
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
            f"{path}: cannot be written ({error.strerror}); mend that and give the same command "
            "again, it goes on where it stopped"
        ) from None


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
        InputError: the file is not there or cannot be read.
    """
    try:
        told = path.stat()
        digest = digest or digest_of(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return {
        "file": name, "digest": digest, "bytes": told.st_size, "modified": told.st_mtime_ns
    }  # fmt: skip


def unchanged(path: Path, state: dict[str, Any]) -> bool:
    """Whether a file is what a record says, by size and time, or else by its digest."""
    try:
        told = path.stat()
        if told.st_size != state["bytes"]:
            return False
        return told.st_mtime_ns == state["modified"] or (
            digest_of(path.read_bytes()) == state["digest"]
        )
    except OSError:
        return False


def link(source: Path, place: Path) -> Linked:
    """Makes a file appear at another place: by a relative symbolic link, where there can be one.

    Otherwise by a hard link, and at last by a copy. What is there already and right stays.

    Raises:
        InputError: it cannot be written.
    """
    target = os.path.relpath(source.resolve(), place.parent.resolve())
    partial = place.with_name(f".{place.name}.{os.getpid()}{PARTIAL}")
    try:
        if place.is_symlink() and os.readlink(place) == target:
            return "symbolic link"
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        how = _link(source, target, partial)
        os.replace(partial, place)
        # Where both are hard links to one file, replacing one by the other does nothing.
        partial.unlink(missing_ok=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(f"{place}: the label cannot be put there ({error.strerror})") from None
    return how


def _link(source: Path, target: str, partial: Path) -> Linked:
    with contextlib.suppress(OSError, NotImplementedError):
        os.symlink(target, partial)
        return "symbolic link"
    with contextlib.suppress(OSError, NotImplementedError):
        os.link(source, partial)
        return "hard link"
    shutil.copy2(source, partial)
    return "copy"
