"""Finds run folders, and detects changes in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from driftseg.errors import InputError

WATCHED = (
    "config.yaml", "environment.json", "evaluations.jsonl", "frames.jsonl", "notes.json",
    "schedule.json", "status.json",
)  # fmt: skip
"""Files of a run that a list reads."""
DEPTH = 3
"""Number of folder levels to search below the given one: a sweep has its runs in subfolders."""


@dataclass(frozen=True)
class RunFolder:
    """One run folder on disk."""

    name: str
    """Path relative to the searched folder, with forward slashes."""
    path: Path
    stamp: str
    """Size, modification time and inode of every watched file; it changes with the content."""
    changed: int
    """The newest modification time, in nanoseconds."""


def run_folders(folder: Path) -> list[RunFolder]:
    """Every run in a folder and in the folders below it, or the folder itself if it is a run.

    Raises:
        InputError: there is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing there"
        raise InputError(
            f"{folder}: expected a folder of runs, got {what}. To fix: name the folder that "
            "driftseg run wrote to (its setting is out)"
        )
    try:
        return sorted(_search(str(folder), "", 0), key=lambda found: found.name)
    except PermissionError as error:
        raise InputError(
            f"{folder}: expected a folder that can be read, got an error ({error.strerror}). To "
            "fix: change its permissions"
        ) from None


def _search(place: str, name: str, depth: int) -> Iterator[RunFolder]:
    """The run in a folder, or those below it; subfolders that cannot be read are skipped."""
    files: dict[str, os.DirEntry[str]] = {}
    below: list[os.DirEntry[str]] = []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name in WATCHED:
                files[entry.name] = entry
            elif not entry.name.startswith(".") and entry.is_dir():
                below.append(entry)
    if "config.yaml" in files and ("schedule.json" in files or "frames.jsonl" in files):
        found = _stamped(name or os.path.basename(os.path.abspath(place)), place, files)
        if found is not None:
            yield found
        return
    if depth == DEPTH:
        return
    for entry in below:
        try:
            inner = f"{name}/{entry.name}" if name else entry.name
            yield from _search(entry.path, inner, depth + 1)
        except (PermissionError, FileNotFoundError):
            continue


def _stamped(name: str, place: str, files: dict[str, os.DirEntry[str]]) -> RunFolder | None:
    """The run with its stamp; None if it was removed meanwhile."""
    parts, changed = [], 0
    for file in WATCHED:
        entry = files.get(file)
        if entry is None:
            parts.append("-")
            continue
        try:
            facts = os.stat(entry.path)  # entry.stat() may be stale on Windows
        except FileNotFoundError:
            return None
        parts.append(f"{facts.st_size}.{facts.st_mtime_ns}.{facts.st_ino}")
        changed = max(changed, facts.st_mtime_ns)
    return RunFolder(name, Path(place), " ".join(parts), changed)
