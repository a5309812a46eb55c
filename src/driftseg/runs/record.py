"""What a run leaves behind: the only memory between a run and its report.

A run is written to ``<serial>.partial`` and takes its name when it is finished, so nothing
half-written is ever taken for a run. No run overwrites another.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
import yaml
from PIL import Image as PillowImage

import driftseg
from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.labels import Colour, LabelMapping, colours_of
from driftseg.weather.render import RENDERER

IGNORED_BY_HASH = frozenset(
    {"out", "threads", "device", "pictures", "keep_checkpoint", "diagnostics_every", "trackers"}
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


def environment(
    *,
    device: str,
    digest: str,
    checkpoint: str,
    notes: Sequence[str],
    data: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Versions, machine, git revision, what weights and data were used, what else to know."""
    return {
        "driftseg": driftseg.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "threads": torch.get_num_threads(),
        "git": _git_revision(),
        "renderer": RENDERER,
        "checkpoint": checkpoint,
        "weights_digest": digest,
        "data": dict(data or {}),
        "notes": list(notes),
    }


def _git_revision() -> str | None:
    """Of the code that runs, where it lies in a repository that tracks it."""
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None  # installed somewhere below another project's repository
    return _git("describe", "--always", "--dirty", "--abbrev=12")


def _git(*arguments: str) -> str | None:
    """What git says in the folder of this file; None if it refuses or is not there."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


class RunWriter:
    """Writes one run.

    Args:
        out: folder of all runs; made if missing.
        serial: the run's name.
        config: resolved.
        environment: from `environment`.
        schedule: one row a visit: visit, domain, direction, weather, frames.
        classes: names in id order.
        label_space: its name.
        home: the domain that forgetting is measured on.
        colours: of the classes, that pictures are painted in.
        scoring: how predictions are told in that label space, where the model has another.
    """

    def __init__(
        self,
        out: Path,
        serial: str,
        *,
        config: Mapping[str, Any],
        environment: Mapping[str, Any],
        schedule: Sequence[Mapping[str, Any]],
        classes: Sequence[str],
        label_space: str,
        home: str,
        colours: Sequence[Colour] = (),
        scoring: LabelMapping | None = None,
    ):
        self._out, self.serial = out, serial
        self.folder = out / f"{serial}-{os.getpid()}.partial"
        try:
            (self.folder / "pictures").mkdir(parents=True)
        except OSError as error:
            raise InputError(f"{out}: runs cannot be written there ({error.strerror})") from None
        self._environment = dict(environment)
        _write_yaml(self.folder / "config.yaml", config)
        _write_json(
            self.folder / "schedule.json",
            {
                "classes": list(classes),
                **({"colours": [list(colour) for colour in colours]} if colours else {}),
                "label_space": label_space,
                "home": home,
                "visits": list(schedule),
                **_predictions(scoring),
            },
        )
        self._files: dict[str, TextIO] = {
            name: (self.folder / f"{name}.jsonl").open("w", encoding="utf-8")
            for name in ("frames", "evaluations")
        }

    def frame(self, row: Mapping[str, Any]) -> None:
        """One line of frames.jsonl."""
        self._line("frames", row)

    def evaluation(self, row: Mapping[str, Any]) -> None:
        """One line of evaluations.jsonl."""
        self._line("evaluations", row)

    def calibration(self, values: Mapping[str, Any]) -> None:
        """What a method measured on source frames before the stream began."""
        _write_json(self.folder / CALIBRATION, values)

    def picture(self, visit: int, domain: str, number: int, kind: str, image: Image) -> None:
        """One PNG: the input, the painted truth or the painted prediction."""
        name = f"{visit:02d}_{domain}_{number}_{kind}.png"
        PillowImage.fromarray(image).save(self.folder / "pictures" / name, optimize=False)

    def _line(self, name: str, row: Mapping[str, Any]) -> None:
        self._files[name].write(json.dumps(plain(row), allow_nan=False) + "\n")

    def finish(self, notes: Sequence[str] = ()) -> Path:
        """Closes all files and gives the run its name; returns its folder."""
        for file in self._files.values():
            file.close()
        self._environment["notes"] = [*self._environment.get("notes", ()), *notes]
        _write_json(self.folder / "environment.json", self._environment)
        final, number = self._out / self.serial, 2
        while final.exists():
            final, number = self._out / f"{self.serial}-{number}", number + 1
        self.folder.rename(final)
        return final

    def discard(self) -> None:
        """Leaves nothing of the run."""
        for file in self._files.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _predictions(scoring: LabelMapping | None) -> dict[str, Any]:
    """What the model predicts and how each class is scored, where that is not the same."""
    if scoring is None:
        return {}
    return {
        "predictions": {
            "classes": scoring.source.classes,
            "label_space": scoring.source.name,
            "scored_as": scoring.table,
        }
    }


@dataclass(frozen=True)
class Run:
    """A finished run, as read."""

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
    """Reads a finished run.

    Raises:
        InputError: the folder is no finished run.
    """
    if path.suffix == ".partial":
        raise InputError(f"{path}: this run was not finished; run it again")
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
            frames=_lines(path / "frames.jsonl"),
            evaluations=_lines(path / "evaluations.jsonl"),
            calibration=_optional(path / CALIBRATION),
            drawn_in=_colours(schedule.get("colours")),
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


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(plain(value), indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(value), sort_keys=False), encoding="utf-8")
