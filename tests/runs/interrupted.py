"""Runs that are cut somewhere, and their records beside those of uncut ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from whole_runs import ADAPTERS, METHOD_SETTINGS

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.runs.loop import Moment
from driftseg.runs.record import plain
from tiny_runs import tiny_values

SMALL = [64, 48]
MEASURES_NOTHING = {
    "hamlet": {"costs": "published"},
    "lae": {}, "bank": {},
}  # fmt: skip
"""Of methods that would choose by measured times, which differ between any two runs."""
LEARNS_AT_ONCE = {"auto": {"homing": {"near": 0.1, "far": 0.2}}}
"""Of methods that would not learn from two frames of this stream."""


def values_of(method: str, checkpoint: Path, out: Path, **changes) -> dict:
    """A run of a second or two."""
    values = tiny_values(checkpoint, out)
    for section in ("source", "target", "evaluation"):
        values[section] = {**values[section], "size": SMALL}
    settings = METHOD_SETTINGS.get(method, {"name": method})
    more = (MEASURES_NOTHING | LEARNS_AT_ONCE).get(method, {})
    settings = {**settings, **more}
    return {**values, "method": settings, "adapters": ADAPTERS.get(method), **changes}


def config_of(method: str, checkpoint: Path, out: Path, **changes) -> RunConfig:
    return check(values_of(method, checkpoint, out, **changes), RunConfig, where="test")


def record(folder: Path) -> dict[str, object]:
    """Everything that a run leaves, times aside, and aside how it came about."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name in ("status.json", ".lock"):
            continue
        if path.suffix == ".jsonl":
            found[name] = [timeless(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.suffix == ".json":
            found[name] = uncommitted(json.loads(path.read_text()))
        else:
            found[name] = path.read_bytes()
    return found


def uncommitted(values: dict) -> dict:
    """Without the state of this checkout, which somebody may be working on."""
    kept = {key: value for key, value in values.items() if not key.startswith("git")}
    if "notes" in kept:
        kept["notes"] = [note for note in kept["notes"] if not note.startswith("continued after")]
    return kept


def timeless(value: object) -> object:
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if not key.endswith("_ms")}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return plain(value)


class Snapshots:
    """Copies a run's folder while it runs, as a kill would leave it: every line is flushed.

    Args:
        out: folder of the run's folder.
        place: where copies go.
        wanted: whether one is made at a moment.
    """

    def __init__(self, out: Path, place: Path, wanted: Callable[[Moment], bool]):
        self._out, self._place, self._wanted = out, place, wanted
        self.made: list[Path] = []

    def __call__(self, moment: Moment) -> None:
        if self._wanted(moment):
            (folder,) = self._out.iterdir()
            copy = self._place / f"cut_{len(self.made)}"
            shutil.copytree(folder, copy)
            self.made.append(copy)
