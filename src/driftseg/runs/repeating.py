"""A run is made again and compared with its record."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.interruption import Tell
from driftseg.runs.loop import Watch
from driftseg.runs.record import Run, read_run
from driftseg.runs.run import run, untold, unwatched
from driftseg.scenes.live import LiveSettings

TIMES = "_ms"
"""How the names of columns end that hold times; they are never the same twice."""
ENVIRONMENT = (
    "driftseg", "python", "torch", "numpy", "packages", "system", "device", "threads", "kernels",
    "variables", "git", "git_changes", "renderer", "weights_digest", "adapters_digest", "data",
)  # fmt: skip
"""What may be the reason of a difference."""


@dataclass(frozen=True)
class Difference:
    """The first place in which two records differ."""

    file: str
    line: int
    """From 1."""
    column: str
    """Keys joined by dots; empty where a whole line is missing."""
    before: Any
    now: Any

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" + (f", {self.column}" if self.column else "")
        return f"{place}: {_told(self.before)} in the record, {_told(self.now)} in the repetition"


@dataclass(frozen=True)
class Repetition:
    """What came of running a run again."""

    frames: int
    """Lines of frames that were compared."""
    evaluations: int
    difference: Difference | None
    """The first; None where there is none, times aside."""
    environment: tuple[str, ...]
    """What was not as it was: versions, threads, data, ..."""
    measured: bool
    """Whether the method chooses by measured times, which differ between any two runs."""


def repeat(
    folder: Path, out: Path | None = None, watch: Watch = unwatched, *, tell: Tell = untold
) -> Repetition:
    """Runs a recorded run again and compares the two line by line, times aside.

    An interrupted run is compared as far as it went. The number of threads is the recorded one.

    Args:
        folder: of the run.
        out: where the repetition is kept; None keeps none.
        watch: called after every frame and evaluation.
        tell: hears what a person should know.

    Raises:
        InputError: it is no run, it cannot be repeated, or its data or weights are gone.
    """
    before = read_run(folder)
    settings = check(dict(before.config), RunConfig, where=str(folder / "config.yaml"))
    if isinstance(settings.target, LiveSettings):
        raise InputError(
            f"{folder}: expected a target that can be read again, got a camera. To fix: repeat a "
            "run of files; driftseg adapt --save video keeps what a camera shows."
        )
    threads = settings.threads or before.environment.get("threads")
    if out is not None:
        return _repeat(before, settings, out, threads, watch, tell)
    with tempfile.TemporaryDirectory(prefix="driftseg-repeat-") as place:
        return _repeat(before, settings, Path(place), threads, watch, tell)


def _repeat(
    before: Run, settings: RunConfig, out: Path, threads: Any, watch: Watch, tell: Tell
) -> Repetition:
    again = settings.model_copy(update={"out": out, "threads": threads})
    now = read_run(run(again, watch, tell=tell))
    return compare(before, now)


def compare(before: Run, now: Run) -> Repetition:
    """Two records of one config, the first as far as it went."""
    difference = None
    for name, theirs, ours in (
        ("frames.jsonl", before.frames, now.frames),
        ("evaluations.jsonl", before.evaluations, now.evaluations),
    ):
        count = max(len(theirs), len(ours)) if before.part is None else len(theirs)
        for line in range(count):
            one = theirs[line] if line < len(theirs) else None
            two = ours[line] if line < len(ours) else None
            found = _first(one, two)
            if found is not None and difference is None:
                difference = Difference(name, line + 1, *found)
    return Repetition(
        len(before.frames),
        len(before.evaluations),
        difference,
        tuple(_environment(before.environment, now.environment)),
        any((frame.get("plan") or {}).get("costs_ms") for frame in before.frames),
    )


def _first(one: Any, two: Any, column: str = "") -> tuple[str, Any, Any] | None:
    """The first key at which two values differ, and both values."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in [*one, *(key for key in two if key not in one)]:
            if str(key).endswith(TIMES):
                continue
            found = _first(one.get(key), two.get(key), f"{column}.{key}" if column else str(key))
            if found is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = (_first(a, b, f"{column}[{i}]")
                 for i, (a, b) in enumerate(zip(one, two, strict=True)))  # fmt: skip
        return next((found for found in pairs if found is not None), None)
    return None if one == two or _both_nan(one, two) else (column, one, two)


def _both_nan(one: Any, two: Any) -> bool:
    return all(isinstance(each, float) and math.isnan(each) for each in (one, two))


def _environment(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line a difference; what older records do not say is passed over."""
    told = []
    for name in ENVIRONMENT:
        if name in before and (found := _first(before[name], now.get(name), name)) is not None:
            column, one, two = found
            told.append(f"{column}: {_told(one)} then, {_told(two)} now")
    return told


def _told(value: Any) -> str:
    text = json.dumps(value)
    if value is None:
        return "nothing"
    return text if len(text) <= 80 else text[:77] + "..."
