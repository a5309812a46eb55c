"""Runs found again, tagged and noted: what the commands do, as functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from driftseg.errors import InputError
from driftseg.finding.entry import COLUMNS, FoundRun
from driftseg.finding.filters import chosen, find_column, is_filter
from driftseg.finding.folders import run_folders
from driftseg.finding.search import Listing, Told, search
from driftseg.runs.remarks import Remarks, read_remarks, write_remarks

if TYPE_CHECKING:
    from driftseg.runs.record import Run

__all__ = [
    "COLUMNS", "FoundRun", "Gathered", "Listing", "Remarks", "Told", "find_column", "find_runs",
    "gather", "is_filter", "note_run", "remarks_of", "search", "tag_run",
]  # fmt: skip


def find_runs(
    folder: str | Path = "runs",
    where: Iterable[str] = (),
    *,
    sort: str | None = None,
    reverse: bool = False,
    limit: int | None = None,
    index: bool = True,
) -> list[FoundRun]:
    """The runs of a folder and of the folders below it (``driftseg runs``).

    Args:
        folder: where runs are.
        where: filters that must all hold: ``method=dacs``, ``seed=0,1``, ``tag=x``,
            ``state=finished``, ``over_all_visits>50``, ``method.learning_rate=0.001``.
        sort: a column, a number or a setting; numbers from the largest, texts from A. None is the
            newest first.
        reverse: turns the order round.
        limit: how many; None is all.
        index: whether what was read is kept in the file ``.driftseg_runs.sqlite`` of the folder,
            so that the next call reads only what has changed.

    Raises:
        InputError: no such folder, no runs in it, an unknown column or a wrong filter.
    """
    return search(Path(folder), where, sort=sort, reverse=reverse, limit=limit, index=index).runs


def tag_run(run: str | Path, tags: Sequence[str], *, remove: bool = False) -> Remarks:
    """Gives a run tags, or takes them away (``driftseg tag``).

    Returns:
        All tags and notes of the run.

    Raises:
        InputError: no such run, a tag with spaces or commas, or no such tag to take away.
    """
    folder = _one(run)
    found = read_remarks(folder)
    found = found.untagged(tags) if remove else found.tagged(tags)
    write_remarks(folder, found)
    return found


def remarks_of(run: str | Path) -> Remarks:
    """Tags and notes of a run.

    Raises:
        InputError: no such run, or its file of notes is damaged.
    """
    return read_remarks(_one(run))


def note_run(run: str | Path, text: str | None, *, replace: bool = False) -> Remarks:
    """Adds a note to a run (``driftseg note``).

    Args:
        run: its folder.
        text: the note; None adds none.
        replace: whether earlier notes are dropped.

    Returns:
        All tags and notes of the run.

    Raises:
        InputError: no such run, or an empty note.
    """
    folder = _one(run)
    found = read_remarks(folder)
    if replace:
        found = Remarks(found.tags)
    if text is not None:
        found = found.noted(text)
    write_remarks(folder, found)
    return found


def _one(run: str | Path) -> Path:
    folder = Path(run)
    found = run_folders(folder) if folder.is_dir() else []
    if [each.path for each in found] != [folder]:
        raise InputError(
            f"{folder}: expected the folder of one run, got "
            f"{'another folder' if folder.is_dir() else 'nothing there'}. To fix: copy a name "
            "from driftseg runs"
        )
    return folder


@dataclass(frozen=True)
class Gathered:
    """Runs to compare or to report."""

    runs: list[Run]
    left_out: list[FoundRun]
    """Unfinished and unreadable runs of the folders that were named."""


def gather(
    places: Sequence[str | Path], where: Iterable[str] = (), *, told: Told | None = None
) -> Gathered:
    """Reads runs and whole folders of runs.

    Of a folder, finished runs are taken. A run that is named itself must be readable.

    Args:
        places: folders of runs or of single runs.
        where: filters, as of `find_runs`.
        told: called with the number of runs read and to read.

    Raises:
        InputError: nothing is named, a place holds no runs, a filter leaves none.
    """
    from driftseg.finding.reading import checked_run
    from driftseg.runs.record import read_run

    words, named, found = list(where), [], []
    for place in map(Path, places):
        if not place.is_dir():
            read_run(place)  # says what is missing
        listing = search(place, sort="run", told=told).runs
        if [run.path for run in listing] == [place]:
            named.append(place)
            found += listing
        else:
            known = {run.path.resolve() for run in found}
            found += [run for run in listing if run.path.resolve() not in known]
    kept = chosen(found, words)
    if not kept:
        raise InputError(
            f"expected at least one run, got none{' with ' + ' '.join(words) if words else ''}. "
            "To fix: name folders of finished runs, or loosen the filters"
        )
    taken = [run for run in kept if run.state == "finished" or run.path in named]
    left_out = [run for run in kept if run not in taken]
    if not taken:
        raise InputError(
            f"expected finished runs, got {len(left_out)} that are not finished or not readable. "
            f"To fix: finish them; the first is {left_out[0].path} ({left_out[0].state})"
        )
    return Gathered([checked_run(run.path) for run in taken], left_out)
