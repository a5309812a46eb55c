"""Lists a folder of runs: changed runs are read, the others come from the index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftseg.errors import InputError
from driftseg.finding.entry import FoundRun
from driftseg.finding.filters import chosen, find_column, ordered
from driftseg.finding.folders import RunFolder, run_folders
from driftseg.finding.index import Index, Row

SETTLED = 2_000_000_000
"""Nanoseconds. A file that is read so soon after its last change may change again with the same
modification time: clocks of file systems are coarse. Such a run is read again."""
BATCH = 1.0
"""Seconds between two writes of the index, so that an interruption loses little."""
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Listing:
    """The result of a search."""

    runs: list[FoundRun]
    """The requested runs, in order."""
    matching: int
    """Number of runs that the filters leave, before the limit."""
    everyone: list[FoundRun]
    """All runs of the folder."""
    read: int
    """Number of runs that were read; the others come from the index."""
    index_problem: str | None
    """Why the index was not written, if so."""


def search(
    folder: Path,
    where: Iterable[str] = (),
    *,
    sort: str | None = None,
    reverse: bool = False,
    limit: int | None = None,
    index: bool = True,
    told: Told | None = None,
) -> Listing:
    """Finds runs.

    Args:
        folder: of runs; runs in folders below it are found, too.
        where: filters, all of which must hold.
        sort: a column; the newest first by default.
        reverse: whether the order is reversed.
        limit: number of runs; None is all.
        index: whether an index is kept.
        told: called with the number of runs read and to read.

    Raises:
        InputError: no such folder, no runs in it, an unknown column, a wrong filter.
    """
    folders = run_folders(folder)
    if not folders:
        raise InputError(
            f"{folder}: expected a folder of runs, got one without any. To fix: name the folder "
            "that driftseg run wrote to (its setting is out)"
        )
    itself = len(folders) == 1 and folders[0].path == folder
    kept = Index(folder) if index and not itself else None
    everyone, read = _all(folders, kept, told or (lambda done, total: None))
    column = None if sort is None else find_column(everyone, sort)
    found = ordered(chosen(everyone, where), column, reverse=reverse)
    shown = found if limit is None else found[:limit]
    problem = None if kept is None or read == 0 else kept.problem
    return Listing(shown, len(found), everyone, read, problem)


def _all(
    folders: Sequence[RunFolder], index: Index | None, told: Told
) -> tuple[list[FoundRun], int]:
    known = {} if index is None else index.load()
    found: dict[str, FoundRun] = {}
    stale = []
    for folder in folders:
        run = _remembered(folder, known.get(folder.name))
        if run is None:
            stale.append(folder)
        else:
            found[folder.name] = run
    gone = known.keys() - {folder.name for folder in folders}
    for run in _read(stale, index, told, gone):
        found[run.run] = run
    return [found[folder.name] for folder in folders], len(stale)


def _remembered(folder: RunFolder, row: Row | None) -> FoundRun | None:
    """A run from the index; None if it must be read.

    A killed process changes no file, so a run that was running is always read.
    """
    if row is None or row.stamp != folder.stamp or folder.changed >= row.read_at - SETTLED:
        return None
    run = FoundRun.from_json(row.text, folder.path)
    return None if run.state == "running" else run


def _read(
    folders: Sequence[RunFolder], index: Index | None, told: Told, gone: Iterable[str]
) -> list[FoundRun]:
    """Reads run folders and hands them to the index, a batch at a time."""
    runs: list[FoundRun] = []
    rows: dict[str, Row] = {}
    if folders:
        from driftseg.finding.reading import (
            read_found,
        )  # a heavy import; a list of known runs does not need it
    written = time.monotonic()
    try:
        for number, folder in enumerate(folders, start=1):
            started = time.time_ns()
            run = read_found(folder)
            runs.append(run)
            rows[folder.name] = Row(folder.stamp, started, run.to_json())
            told(number, len(folders))
            if index is not None and time.monotonic() - written > BATCH:
                index.store(rows)
                rows, written = {}, time.monotonic()
    finally:
        if index is not None:
            index.store(rows, gone)
    return runs
