"""Repeats a run and compares it with its record."""

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
"""Endings of columns of times, which differ between runs."""
ENVIRONMENT = (
    "driftseg", "python", "torch", "numpy", "packages", "system", "device", "threads", "kernels",
    "variables", "git", "git_changes", "renderer", "weights_digest", "adapters_digest", "data",
)  # fmt: skip
"""Facts that may cause a difference."""


@dataclass(frozen=True)
class Difference:
    """The first difference of two records."""

    file: str
    line: int
    """Line number from 1."""
    column: str
    """Keys joined by dots; empty where a whole line is missing."""
    before: Any
    now: Any

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" + (f", {self.column}" if self.column else "")
        return f"{place}: {_told(self.before)} in the record, {_told(self.now)} in the repetition"


@dataclass(frozen=True)
class Repetition:
    """The result of a repetition."""

    frames: int
    """Number of compared lines of frames."""
    evaluations: int
    difference: Difference | None
    """The first difference, without times; None if there is none."""
    environment: tuple[str, ...]
    """What differs from the first run: versions, threads, data, ..."""
    measured: bool
    """Whether the method's decisions depend on measured times, which differ between runs."""


def repeat(
    folder: Path, out: Path | None = None, watch: Watch = unwatched, *, tell: Tell = untold
) -> Repetition:
    """Runs a recorded run again and compares both line by line, without times.

    An interrupted run is compared up to its end. The number of threads is the recorded one.

    Args:
        folder: of the run.
        out: folder to keep the repetition; None keeps nothing.
        watch: called after every frame and evaluation.
        tell: called with messages for a person.

    Raises:
        InputError: it is no run, it cannot be repeated, or its data or weights are missing.
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
    """Compares two records of one config, up to the end of the first."""
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
    pace = before.config.get("pace")
    measured_pace = pace is not None and pace["costs"] is None
    return Repetition(
        len(before.frames),
        len(before.evaluations),
        difference,
        tuple(_environment(before.environment, now.environment)),
        measured_pace or any((f.get("plan") or {}).get("costs_ms") for f in before.frames),
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
    """One line per difference; facts that older records lack are ignored."""
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
