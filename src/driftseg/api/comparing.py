"""Runs compared: what the command does, as a function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from driftseg.api.finding import Gathered, gather
from driftseg.errors import InputError
from driftseg.report.comparison import Comparison, compare
from driftseg.report.comparison_tables import (
    check_ending,
    differences_table,
    differences_title,
    means_table,
    write_comparison,
)
from driftseg.report.comparison_words import sentences

__all__ = [
    "Comparison", "Gathered", "check_ending", "compare_gathered", "compare_runs",
    "differences_table", "differences_title", "gather", "means_table", "sentences",
]  # fmt: skip


def compare_runs(
    runs: Sequence[str | Path],
    where: Iterable[str] = (),
    *,
    by: Sequence[str] = (),
    against: str | None = None,
    numbers: Sequence[str] = (),
    out: Sequence[str | Path] = (),
) -> Comparison:
    """Means over seeds, and paired differences with bootstrap intervals (``driftseg compare``).

    Args:
        runs: folders of runs, or of many; of those, finished runs are taken.
        where: filters, as of `find_runs`.
        by: settings that make the groups, such as ``method``; runs that differ in other settings
            are paired where these are equal. Without, all that differs but the seed makes groups.
        against: label or method of the group that the others are compared with; None is
            ``source_only``, or else the first.
        numbers: names of numbers, as `find_runs` has them; without, the usual ones.
        out: files to write: tables as .csv, .md and .tex, pictures as .svg, .png and .pdf.

    Raises:
        InputError: no runs, runs of different worlds, an unknown number, setting or group, or a
            file that cannot be written.
    """
    paths = [Path(path) for path in out]
    for path in paths:
        check_ending(path)
    return compare_gathered(gather(runs, where), by=by, against=against, numbers=numbers, out=paths)


def compare_gathered(
    gathered: Gathered, *, by: Sequence[str], against: str | None, numbers: Sequence[str],
    out: Sequence[Path],
) -> Comparison:  # fmt: skip
    """The same of runs that are read.

    Raises:
        InputError: as `compare_runs`.
    """
    for path in out:
        check_ending(path)
    if len(gathered.runs) < 2:
        raise InputError(
            f"compare: expected at least two runs, got {len(gathered.runs)}. To fix: name more "
            "runs, or a folder of runs"
        )
    found = compare(gathered.runs, by=by, against=against, numbers=numbers)
    for path in out:
        write_comparison(found, path)
    return found
