"""Runs that were interrupted, or that are made again, as functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from driftseg.runs.interruption import RunInterrupted
from driftseg.runs.loop import Watch
from driftseg.runs.repeating import Repetition
from driftseg.runs.repeating import repeat as repeat_run
from driftseg.runs.resuming import resume as resume_run
from driftseg.runs.run import untold, unwatched

__all__ = ["RunInterrupted", "repeat", "resume"]


def resume(
    run: str | Path,
    *,
    watch: Watch | None = None,
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Continues an interrupted run (``driftseg resume``).

    The finished record equals that of a run that was never interrupted, times aside.

    Args:
        run: the run's folder.
        watch: called after every frame and evaluation with a `Moment`.
        tell: called with lines that a person should read: from which frame on, and what is not
            exact.

    Returns:
        The run's folder.

    Raises:
        InputError: no run of this version, another process works on it, no whole checkpoint, or
            other weights or data than it began with.
        RunInterrupted: as `run`.
    """
    return resume_run(Path(run), watch or unwatched, tell=tell or untold)


def repeat(
    run: str | Path,
    out: str | Path | None = None,
    *,
    watch: Watch | None = None,
    tell: Callable[[str], None] | None = None,
) -> Repetition:
    """Runs a recorded run again and compares both line by line (``driftseg repeat``).

    Args:
        run: the run's folder; of an interrupted run, what there is of it is compared.
        out: folder of runs in which the repetition is kept; None keeps none.
        watch: called after every frame and evaluation with a `Moment`.
        tell: called with lines that a person should read.

    Returns:
        The first difference, times aside, or that there is none; and what of the environment is
        not as it was.

    Raises:
        InputError: no run, a camera, or data or weights that are gone.
        RunInterrupted: as `run`.
    """
    place = None if out is None else Path(out)
    return repeat_run(Path(run), place, watch or unwatched, tell=tell or untold)
