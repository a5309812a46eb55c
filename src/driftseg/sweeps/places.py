"""Paths of a sweep's files, and the run of a config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from driftseg.runs.record import config_hash
from driftseg.runs.whole import write_whole


@dataclass(frozen=True)
class Place:
    """The folder of a sweep, on the driver or on a node."""

    folder: Path

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.folder / "runs"

    def config(self, key: str) -> Path:
        """The resolved config of a run."""
        return self.folder / "configs" / f"{key}.yaml"

    def errors(self, key: str) -> Path:
        """What a run's process wrote to stderr."""
        return self.folder / "logs" / f"{key}.stderr.txt"

    def printed(self, key: str) -> Path:
        """What a run's process printed."""
        return self.folder / "logs" / f"{key}.txt"

    def started(self, key: str) -> Path:
        """Place and time of the start of a run's last process."""
        return self.folder / "logs" / f"{key}.json"

    @property
    def stopped(self) -> Path:
        """Runs that the stop rule ended, and why."""
        return self.folder / "stopped.json"

    def make(self) -> None:
        """Makes all folders.

        Raises:
            OSError: they cannot be made.
        """
        for name in ("runs", "configs", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)


def find_run(runs: Path, config: Mapping[str, Any]) -> Path | None:
    """The newest run of a config in a folder of runs; the config's ``out`` may differ.

    Args:
        runs: folder of runs.
        config: resolved, as plain values.
    """
    ending, wanted = config_hash(config), _comparable(config)
    found = [
        folder
        for pattern in (f"*_{ending}", f"*_{ending}-*")
        for folder in runs.glob(pattern)
        if _comparable(_config_in(folder)) == wanted
    ]
    return max(found, key=lambda folder: folder.stat().st_mtime_ns, default=None)


def read_json(path: Path) -> dict[str, Any]:
    """A file's values; empty for a missing or damaged file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a file completely or not at all."""
    write_whole(path, (json.dumps(values, indent=1) + "\n").encode(), durable=False)


def last_lines(path: Path, number: int = 6) -> str:
    """The end of a log."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-number:])


def _config_in(folder: Path) -> Any:
    try:
        return yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _comparable(values: Any) -> str:
    if not isinstance(values, Mapping):
        return ""
    kept = {key: value for key, value in values.items() if key != "out"}
    return json.dumps(kept, sort_keys=True, default=str)
