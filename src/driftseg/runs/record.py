"""What a run leaves behind, as read: the only memory between a run and its report.

A run that was interrupted is read as far as it went, and says so.
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
    {"out", "threads", "device", "pictures", "keep_checkpoint", "diagnostics_every"}
)
"""Settings that do not change an experiment."""
CALIBRATION = "calibration.json"


def config_hash(config: Mapping[str, Any]) -> str:
    """Five hexadecimal digits of the resolved config; the order of keys does not matter."""
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
    """A run, as read."""

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
    """What the method measured on source frames before the stream, where it did."""
    drawn_in: tuple[Colour, ...] | None = None
    """Colours of the classes; None in records of before they were kept."""
    state: State = "finished"
    """Whether it was played to its end, was interrupted, or runs now."""

    @property
    def part(self) -> str | None:
        """How much of it there is, in words; None of a finished run."""
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
        raise InputError(f"{path}: this run was not finished; run it again")
    status = read_status(path)
    state = "finished" if status is None else status.state
    try:
        schedule = json.loads((path / "schedule.json").read_text(encoding="utf-8"))
        return Run(
            path=path,
            config=yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8")),
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
        raise InputError(
            f"{path}: is not a run of driftseg ({Path(str(error.filename)).name} is missing)"
        ) from None
    except (json.JSONDecodeError, KeyError, NotADirectoryError) as error:
        raise InputError(f"{path}: is not a readable run of driftseg ({error})") from None


def plain(value: Any) -> Any:
    """JSON's kinds only; numbers that are not finite become null."""
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
    """Six decimals; below 0.1 six significant digits, or a small learning rate would be none."""
    return round(value, 6) if abs(value) >= 0.1 else float(f"{value:.6g}")


def _colours(stored: Sequence[Sequence[int]] | None) -> tuple[Colour, ...] | None:
    return None if stored is None else tuple((r, g, b) for r, g, b in stored)


def _optional(path: Path) -> dict[str, Any] | None:
    """A file that not every run has."""
    if not path.is_file():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _lines(path: Path, *, whole: bool) -> list[dict[str, Any]]:
    """All lines; of a run that is not finished, as far as they are whole.

    The last one may be half-written, and after a power cut the last ones may be none.
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
