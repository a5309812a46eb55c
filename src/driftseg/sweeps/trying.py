"""Lists the runs of a sweep and estimates their time, without a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftseg.config.run import RunConfig
from driftseg.runs.rehearsal import rehearse
from driftseg.sweeps.engine import cores
from driftseg.sweeps.expansion import Point
from driftseg.sweeps.progress import RunProgress
from driftseg.sweeps.settings import EngineSettings

SEEDS = ("seed", "weather_seed", "stream_seed")
"""Settings that do not change how long a run takes."""


@dataclass(frozen=True)
class Estimate:
    """The estimate for one run."""

    label: str
    state: str
    """waiting, finished, or interrupted."""
    frames: int
    """Number of recorded frames."""
    total: int
    seconds: float
    """Remaining seconds, if it is alone on its cores."""


def estimate(folder: Path, points: Sequence[Point], tell: Callable[[str], None]) -> list[Estimate]:
    """Tries two frames of every config, once for all seeds, and counts finished frames.

    Args:
        folder: of the sweep.
        points: all runs.
        tell: called with the name of the config that is tried.

    Raises:
        InputError: a config, its data or its checkpoint cannot be used.
    """
    known: dict[str, tuple[int, float]] = {}
    found = []
    for point in points:
        progress = RunProgress(folder / "runs", point.config.model_dump(mode="json"))
        progress.look()
        if progress.state == "finished":
            found.append(Estimate(point.label, "finished", progress.frames, progress.total, 0.0))
            continue
        timed = _without_seeds(point.config)
        if timed not in known:
            tell(f"trying two frames: {point.label}")
            tried = rehearse(point.config.model_copy(update={"out": folder / "runs"}))
            seconds = tried.building + tried.stream_seconds + tried.evaluation_seconds
            known[timed] = (tried.frames, seconds)
        frames, seconds = known[timed]
        left = seconds * max(0, frames - progress.frames) / max(1, frames)
        state = "waiting" if progress.folder is None else "interrupted"
        found.append(Estimate(point.label, state, progress.frames, frames, left))
    return found


def whole(found: Sequence[Estimate], settings: EngineSettings) -> tuple[int, float]:
    """Number of runs at a time on this machine, and seconds until the last one ends."""
    cpus = settings.resources.cpus or settings.threads
    slots = max(1, int(cores() / cpus))
    longest = max((each.seconds for each in found), default=0.0)
    return slots, max(longest, sum(each.seconds for each in found) / slots)


def _without_seeds(config: RunConfig) -> str:
    values = config.model_dump(mode="json", exclude={*SEEDS})
    return json.dumps(values, sort_keys=True, default=str)
