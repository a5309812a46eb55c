"""Which folders are runs, and whether one has changed."""

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
"""Files of a run that a list is made from."""
DEPTH = 3
"""Levels of folders below the given one that are searched: a sweep keeps its runs deeper."""


@dataclass(frozen=True)
class RunFolder:
    """One run as it lies on disk."""

    name: str
    """Path below the folder that was searched, with forward slashes."""
    path: Path
    stamp: str
    """Size, time of change and inode of every watched file; another stamp is another content."""
    changed: int
    """The newest time of change, in nanoseconds."""


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
    """The run at a place, or those below it; what cannot be entered below is passed over."""
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
    """None where the run went away meanwhile."""
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
