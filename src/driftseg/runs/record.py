"""The record of a run on disk, for reports.

The record of an interrupted run is read as far as it goes and is marked.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from driftseg.errors import InputError
from driftseg.labels import Colour, colours_of
from driftseg.runs.status import State, read_status

IGNORED_BY_HASH = frozenset(
    {"out", "threads", "device", "pictures", "keep_checkpoint", "diagnostics_every", "trackers"}
)
"""Settings that do not change an experiment."""
CALIBRATION = "calibration.json"
DEPENDS_ON_SEED = "depends_on_seed"
"""In environment.json. Records of before it was kept are asked by their method's settings."""


def config_hash(config: Mapping[str, Any]) -> str:
    """Five hexadecimal digits of the resolved config. The order of keys does not matter."""
    kept = {key: value for key, value in config.items() if key not in IGNORED_BY_HASH}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:5]


def make_serial(
    when: datetime,
    *,
    source: str,
    target: str,
    method: str,
    head: str,
    encoder: str,
    seed: int,
    config: Mapping[str, Any],
) -> str:
    """``YYMMDD_HHMM_<source>2<target>_<method>_<head>_<encoder>_s<seed>_<hash5>``."""
    parts = [
        when.strftime("%y%m%d_%H%M"), f"{source}2{target}", method, head, encoder,
        f"s{seed}", config_hash(config),
    ]  # fmt: skip
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "_".join(parts))


@dataclass(frozen=True)
class Run:
    """A run from its record."""

    path: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    classes: tuple[str, ...]
    label_space: str
    home: str
    visits: Sequence[Mapping[str, Any]]
    frames: Sequence[Mapping[str, Any]]
    evaluations: Sequence[Mapping[str, Any]]
    calibration: Mapping[str, Any] | None = None
    """The method's calibration on source frames before the stream, if there is one."""
    drawn_in: tuple[Colour, ...] | None = None
    """Colours of the classes; None in older records."""
    state: State = "finished"
    """Whether the run is finished, interrupted or running."""

    @property
    def part(self) -> str | None:
        """The progress of an unfinished run in words; None for a finished run."""
        if self.state == "finished":
            return None
        total = sum(int(visit["frames"]) for visit in self.visits)
        return f"{self.state}, {len(self.frames)} of {total} frames"

    @property
    def colours(self) -> tuple[Colour, ...]:
        """Colours of the classes, in their order."""
        return self.drawn_in or colours_of(self.label_space, self.classes)

    @property
    def method(self) -> str:
        """The method's name."""
        return str(self.config["method"]["name"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    @property
    def random(self) -> bool:
        """Whether another seed could have given other numbers."""
        told = self.environment.get(DEPENDS_ON_SEED)
        if told is not None:
            return bool(told)
        from driftseg.runs.seeds import recorded_depends_on_seed  # loads the method's code

        return recorded_depends_on_seed(self.config)

    def picture(self, visit: int, domain: str, number: int, kind: str) -> Path | None:
        """A kept picture's file."""
        path = self.path / "pictures" / f"{visit:02d}_{domain}_{number}_{kind}.png"
        return path if path.is_file() else None


def read_run(path: Path) -> Run:
    """Reads a run, finished or not.

    Raises:
        InputError: the folder is no run.
    """
    if path.suffix == ".partial":
        told = f"{path}: expected a finished run, got one that was interrupted"
        raise InputError(f"{told}. To fix: run it again")
    status = read_status(path)
    state = "finished" if status is None else status.state
    try:
        schedule = json.loads((path / "schedule.json").read_text(encoding="utf-8"))
        return Run(
            path=path,
            config=read_config(path),
            environment=json.loads((path / "environment.json").read_text(encoding="utf-8")),
            classes=tuple(schedule["classes"]),
            label_space=schedule["label_space"],
            home=schedule["home"],
            visits=schedule["visits"],
            frames=_lines(path / "frames.jsonl", whole=state == "finished"),
            evaluations=_lines(path / "evaluations.jsonl", whole=state == "finished"),
            calibration=_optional(path / CALIBRATION),
            drawn_in=_colours(schedule.get("colours")),
            state=state,
        )
    except FileNotFoundError as error:
        got = f"a folder without {Path(str(error.filename)).name}" if path.is_dir() else "nothing"
        raise InputError(
            f"{path}: expected the folder of a finished run, got {got}. To fix: {_mend(path)}"
        ) from None
    except NotADirectoryError:
        raise InputError(
            f"{path}: expected the folder of a run, got a file. To fix: {_mend(path)}"
        ) from None
    except InputError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: expected a readable run, got a damaged one ({error}). To fix: run it again"
        ) from None


def _mend(path: Path) -> str:
    """The advice for a path that is no run: name a run in the folder, or make one."""
    folder = path if path.is_dir() else path.parent
    found = sorted(file.parent for file in folder.glob("*/schedule.json"))
    runs = [run for run in found if run.suffix != ".partial"]
    if (folder / "schedule.json").is_file() and folder != path:
        return f"name its folder, {folder}"
    if runs:
        more = f", or {len(runs) - 1} more" if len(runs) > 1 else ""
        return f"name a run in {folder}, such as {runs[0]}{more}"
    return "name a folder that driftseg run has made; it prints the folder at its end"


def plain(value: Any) -> Any:
    """Converts to JSON types; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return _rounded(float(value)) if math.isfinite(value) else None
    return value


def _rounded(value: float) -> float:
    """Rounds to six decimals; below 0.1 to six significant digits, for small learning rates."""
    return round(value, 6) if abs(value) >= 0.1 else float(f"{value:.6g}")


def _colours(stored: Sequence[Sequence[int]] | None) -> tuple[Colour, ...] | None:
    return None if stored is None else tuple((r, g, b) for r, g, b in stored)


def _optional(path: Path) -> dict[str, Any] | None:
    """Reads a file that not every run has."""
    if not path.is_file():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _lines(path: Path, *, whole: bool) -> list[dict[str, Any]]:
    """All lines; of an unfinished run, all complete lines.

    The last line may be incomplete, and after a power failure the last lines may be invalid.
    """
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if not whole and not line.endswith("\n"):
            break
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            if not whole:
                break
            raise
    return found


_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader of libyaml, if installed: ten times as fast."""


def read_config(path: Path) -> dict[str, Any]:
    """The resolved config of a run folder.

    Raises:
        InputError: it is damaged.
        FileNotFoundError: it is not there.
    """
    file = path / "config.yaml"
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), Loader=_SAFE)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{file}: expected YAML, got an error ({reason}). To fix: run it again"
        ) from None
    if not isinstance(values, dict):
        raise InputError(
            f"{file}: expected the config of a run, got {type(values).__name__}. To fix: run it "
            "again"
        )
    return values
