"""The runs of ``driftseg demo``: a rainstorm, night and fog over Town."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from driftseg.api import commands
from driftseg.config.loading import load
from driftseg.report.summary import stream_scores
from driftseg.runs.loop import Watch
from driftseg.runs.record import read_run

METHODS = ("source_only", "norm_statistics", "auto")
"""The last is the config's own; the others have their default settings."""


@dataclass(frozen=True)
class DemoRun:
    """The result of one method."""

    method: str
    folder: Path
    visits: tuple[str, ...]
    """Names of the domains, in order."""
    scores: tuple[float, ...]
    """mIoU in percent of each visit, of predictions made before learning from a frame."""


def demo_run(
    method: str,
    out: Path,
    *,
    frames: int | None = None,
    watch: Watch,
    again: bool = False,
    tell: Callable[[str], None] | None = None,
) -> DemoRun:
    """Runs one method on the stream of the demo (``examples/town_demo.yaml``).

    A method that has finished already is not run again; one that was interrupted is continued.

    Args:
        method: one of `METHODS`.
        out: folder of runs.
        frames: maximum number of frames in each visit, for a short trial; None takes all.
        watch: called after every frame and evaluation.
        again: run it again where it has finished already.
        tell: called with lines that a person should read.

    Raises:
        InputError: the run cannot be written.
    """
    with as_file(files("driftseg") / "examples" / "town_demo.yaml") as path:
        values = load(path)
    if frames is not None:
        _shorten(values, frames)
    values["out"] = str(out)
    if method != values["method"]["name"]:
        values |= {"method": {"name": method}, "adapters": None}
    folder = commands.run(values, watch=watch, again=again, resume=not again, tell=tell)
    run = read_run(folder)
    return DemoRun(
        method, folder, tuple(visit["domain"] for visit in run.visits), tuple(stream_scores(run))
    )


def demo_report(runs: Sequence[DemoRun], out: Path) -> Path:
    """Writes one page of all runs."""
    folders = [run.folder for run in runs]
    return commands.report(folders, out / "report.html", title="Rain, night and fog over Town")


def _shorten(values: dict[str, Any], frames: int) -> None:
    """Fewer frames everywhere, so that the trial is short in all its parts."""
    for visit in values["schedule"]:
        visit["frames"] = min(frames, visit["frames"])
    values["evaluation"]["frames"] = min(frames, values["evaluation"]["frames"])
    values["source"]["frames"] = min(8 * frames, values["source"]["frames"])
