"""Runs that were interrupted, or that are made again, as functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from driftseg.runs.interruption import RunInterrupted
from driftseg.runs.loop import Watch
from driftseg.runs.resuming import resume as resume_run
from driftseg.runs.run import untold, unwatched

__all__ = ["RunInterrupted", "resume"]


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
