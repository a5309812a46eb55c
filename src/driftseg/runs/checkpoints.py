"""Checkpoints of a run, to continue it; each is written completely or not at all.

A checkpoint is one safetensors file (`states.py`): tensors and JSON, so reading it runs no code.
Its name holds the first digits of the SHA-256 of its contents. One rename therefore publishes file
and digest together, and reading detects a damaged file.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from driftseg.errors import InputError
from driftseg.runs.keeping import CHECKPOINTS
from driftseg.runs.states import read_state, state_bytes
from driftseg.runs.whole import write_whole

KEPT = 2
"""Number of checkpoints of a run; the older one is used if the last is damaged."""
SHARE, BETWEEN = 0.02, 0.01
"""Largest share of a run's time for all checkpoints, and for those within visits."""
BYTES_A_SECOND = 150e6
"""Assumed bytes per second of a disk before the first checkpoint is timed."""
NAME = re.compile(r"(\d{6})_frame_\d+_([0-9a-f]{16})\.safetensors")
"""Number of the checkpoint, frames recorded, digest."""


class Pace:
    """Decides when a checkpoint is due; their measured cost stays below a share of the run's time.

    Args:
        expected: estimated seconds of the first checkpoint.
        clock: in seconds.
    """

    def __init__(self, expected: float, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._began = clock()
        self._cost = expected
        self.spent = 0.0
        """Seconds of all checkpoints so far."""
        self.written = 0
        """Number of checkpoints so far."""

    def due(self, *, visit_ended: bool) -> bool:
        """Whether the share allows one more; at the end of a visit it is larger."""
        allowed = (SHARE if visit_ended else BETWEEN) * (self._clock() - self._began)
        return self.spent + self._cost <= allowed

    def wrote(self, seconds: float) -> None:
        """Records that a checkpoint was written."""
        self.spent += seconds
        self.written += 1
        self._cost = seconds

    def told(self) -> dict[str, Any]:
        """The cost so far."""
        return {
            "checkpoints": self.written,
            "checkpoint_seconds": round(self.spent, 3),
            "of_seconds": round(self._clock() - self._began, 1),
        }


@dataclass(frozen=True)
class Found:
    """A valid checkpoint."""

    frame: int
    state: dict[str, Any]
    lengths: dict[str, int]
    """Bytes of every file of lines at the time of the checkpoint."""


def write_checkpoint(
    folder: Path, state: Mapping[str, Any], *, frame: int, run: str, lengths: Mapping[str, int]
) -> Path:
    """Writes a checkpoint and removes all but the last two.

    Args:
        folder: the run's.
        state: of the whole run.
        frame: number of recorded frames.
        run: unique id of the run.
        lengths: bytes of every file of lines.

    Raises:
        InputError: the file cannot be written; earlier checkpoints stay.
    """
    data = state_bytes(state, {"run": run, "frame": frame, "lengths": dict(lengths)})
    place = folder / CHECKPOINTS
    number = max((int(path.name[:6]) for path in _all(folder)), default=0) + 1
    path = place / f"{number:06d}_frame_{frame}_{_digest(data)}.safetensors"
    try:
        place.mkdir(exist_ok=True)
        write_whole(path, data)
        for old in _all(folder)[:-KEPT]:
            old.unlink()
    except OSError as error:
        raise InputError(
            f"{path}: expected to write a checkpoint, got {error.strerror}. To fix: free disk "
            f"space, then continue with driftseg resume {folder}."
        ) from error
    return path


def find_checkpoint(folder: Path, run: str, tell: Callable[[str], None]) -> Found | None:
    """The last valid checkpoint of a run, None if it has none; later ones are removed.

    Args:
        folder: the run's.
        run: unique id of the run.
        tell: called with a message on damaged checkpoints.

    Raises:
        InputError: all checkpoints are damaged, or one is of another run.
    """
    damaged: list[tuple[str, Path]] = []
    for path in reversed(_all(folder)):
        fault, found = _read(path, folder, run)
        if found is not None:
            for line, worthless in damaged:
                tell(f"{line}; the checkpoint before it is taken")
                worthless.unlink(missing_ok=True)
            return found
        damaged.append((f"{path}: {fault}", path))
    if damaged:
        raise InputError(
            f"{folder}: expected a whole checkpoint, got damaged ones ({damaged[0][0]}). To fix: "
            f"delete {folder / CHECKPOINTS} to continue from the first frame."
        )
    return None


def remove_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of a finished run."""
    for path in _all(folder):
        path.unlink()
    place = folder / CHECKPOINTS
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()


def random_state() -> dict[str, Any]:
    """State of the global generators; those of driftseg are passed in and keep their own state.

    A user's own method may use the global ones.
    """
    cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if cuda else [],
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002
        "python": random.getstate(),
    }


def load_random_state(state: Mapping[str, Any]) -> None:
    """Restores the state of the global generators."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    random.setstate(state["python"])


def _read(path: Path, folder: Path, run: str) -> tuple[str, Found | None]:
    """The error of a file, or its contents."""
    named = NAME.fullmatch(path.name)
    assert named is not None
    if _digest(path.read_bytes()) != named[2]:
        return "its digest differs from the one in its name", None
    try:
        state, facts = read_state(path)
        found = Found(facts["frame"], state, dict(facts["lengths"]))
    except (InputError, KeyError) as error:
        return str(error), None
    if facts["run"] != run:
        raise InputError(
            f"{path}: expected a checkpoint of this run, got one of another run. To fix: remove "
            "the file."
        )
    for name, length in found.lengths.items():
        lines = folder / f"{name}.jsonl"
        there = lines.stat().st_size if lines.is_file() else 0
        if there < length:
            return f"{lines.name} has {there} bytes, {length} when it was written", None
    return "", found


def _all(folder: Path) -> list[Path]:
    """All checkpoints, the oldest first."""
    place = folder / CHECKPOINTS
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if NAME.fullmatch(path.name))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
