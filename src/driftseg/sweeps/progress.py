"""The progress of a run, read from its folder while it runs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.evaluation.confusion import mean, ratio
from driftseg.sweeps.places import find_run, read_json

Counts = npt.NDArray[np.int64]


@dataclass
class RunProgress:
    """The progress of a run; `look` reads new lines of its folder."""

    runs: Path
    config: dict[str, Any]
    folder: Path | None = None
    frames: int = 0
    total: int = 0
    parts: int = 0
    """Number of processes that have worked on it."""
    state: str = ""
    visits: int = 0
    """Number of complete visits."""
    at_visits: list[float] = field(default_factory=list)
    """Running mIoU in percent at the end of each complete visit."""
    _offset: int = 0
    _visit: int = 0
    _part: Counts | None = None
    _whole: Counts | None = None
    _began: tuple[float, int] | None = None

    @property
    def mean_iou(self) -> float | None:
        """Running mIoU in percent over all frames so far, of predictions before learning."""
        if self._part is None or self._whole is None:
            return None
        return 100 * mean(ratio(self._part, self._whole))

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the frames since this object first saw the run in progress."""
        if self._began is None or self.frames <= self._began[1]:
            return None
        started, frames = self._began
        pace = (time.monotonic() - started) / (self.frames - frames)
        return pace * max(0, self.total - self.frames)

    def look(self) -> None:
        """Reads the status and new lines."""
        if self.folder is None or not self.folder.is_dir():
            self.folder = find_run(self.runs, self.config)
            self._restart()
        if self.folder is None:
            return
        status = read_json(self.folder / "status.json")
        self.state = str(status.get("state", self.state))
        self.total = int(status.get("total", self.total))
        self.parts = len(status.get("parts", ()))
        self._read_lines(self.folder / "frames.jsonl")
        if self._began is None and self.state == "running":
            self._began = (time.monotonic(), self.frames)
        if self.state == "finished" and self._part is not None:
            self._ends_visit()

    def moved(self) -> None:
        """Measures the pace again, after another process took the run."""
        self._began = None

    def _restart(self) -> None:
        self._offset, self._visit, self.frames = 0, 0, 0
        self._part = self._whole = None
        self.at_visits, self.visits = [], 0

    def _read_lines(self, path: Path) -> None:
        try:
            size = path.stat().st_size
            if size < self._offset:  # continued from a checkpoint: lines were removed
                self._restart()
            with path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except OSError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._add(json.loads(line))

    def _add(self, row: dict[str, Any]) -> None:
        if row["visit"] > self._visit:
            self._ends_visit()
            self._visit = row["visit"]
        self.frames += 1
        if not row["labelled"]:
            return
        part = np.array(row["intersection"], dtype=np.int64)
        whole = np.array(row["union"], dtype=np.int64)
        self._part = part if self._part is None else self._part + part
        self._whole = whole if self._whole is None else self._whole + whole

    def _ends_visit(self) -> None:
        value = self.mean_iou
        if value is not None and len(self.at_visits) <= self._visit:
            self.at_visits.append(value)
        self.visits = max(self.visits, self._visit + 1)
