"""A sweep tried: its runs, and about how long they take, without carrying any out."""

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
    """A run as it is to come."""

    label: str
    state: str
    """waiting, finished, or interrupted."""
    frames: int
    """Recorded already."""
    total: int
    seconds: float
    """That it still takes, alone on its cores."""


def estimate(folder: Path, points: Sequence[Point], tell: Callable[[str], None]) -> list[Estimate]:
    """Tries two frames of every config, seeds aside, and counts what is finished.

    Args:
        folder: the sweep's.
        points: all runs.
        tell: hears which config is tried.

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
    """Runs at a time on this machine, and seconds until the last has ended."""
    cpus = settings.resources.cpus or settings.threads
    slots = max(1, int(cores() / cpus))
    longest = max((each.seconds for each in found), default=0.0)
    return slots, max(longest, sum(each.seconds for each in found) / slots)


def _without_seeds(config: RunConfig) -> str:
    values = config.model_dump(mode="json", exclude={*SEEDS})
    return json.dumps(values, sort_keys=True, default=str)
