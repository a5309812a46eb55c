"""Reads one run folder for a list, without the index."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import driftseg
from driftseg.errors import InputError
from driftseg.finding.entry import FoundRun
from driftseg.finding.folders import RunFolder
from driftseg.report.numbers import run_numbers
from driftseg.report.summary import flat
from driftseg.runs.record import Run, config_hash, read_config, read_run
from driftseg.runs.remarks import read_remarks
from driftseg.runs.status import Status, read_status

_SERIAL = re.compile(r"(?P<when>\d{6}_\d{4})_.*_mlp_(?P<encoder>.+)_s\d+_[0-9a-f]{5}")


def read_found(folder: RunFolder) -> FoundRun:
    """A run for a list; an unreadable one has the state ``unreadable`` and a reason."""
    found: dict[str, Any] = {"started": _started(folder)}
    try:
        remarks, (state, status) = read_remarks(folder.path), _state(folder.path)
        found |= {"state": state, "tags": remarks.tags, "notes": remarks.notes}
        try:
            run, numbers = _checked(folder.path)
            found |= _configured(folder, run.config) | _recorded(run, numbers)
        except InputError:
            if state == "finished":
                raise
            found |= _configured(folder, read_config(folder.path)) | _begun(folder.path, status)
    except FileNotFoundError as error:
        found |= {"state": "unreadable", "problem": f"{error.filename}: is missing"}
    except InputError as error:
        found |= {"state": "unreadable", "problem": str(error)}
    return FoundRun(folder.name, folder.path, **found)


def _configured(folder: RunFolder, config: Mapping[str, Any]) -> dict[str, Any]:
    """Values from the config."""
    return {
        "target": config.get("name"),
        "source": config.get("source_name"),
        "method": _of(config, "method", "name"),
        "encoder": _of(config, "model", "encoder") or _named(folder, "encoder"),
        "seed": config.get("seed"),
        "hash": config_hash(config),
        "settings": flat(config),
    }


def _begun(path: Path, status: Status | None) -> dict[str, Any]:
    """The progress of a run whose record cannot be read yet."""
    if status is None:
        return {"frames": _lines(path / "frames.jsonl")}
    return {"frames": status.frames, "total": status.total, "version": status.version}


def checked_run(path: Path) -> Run:
    """A run that has everything for reports and comparisons.

    Raises:
        InputError: it is not a run, or lacks values that this version of driftseg records.
    """
    return _checked(path)[0]


def _checked(path: Path) -> tuple[Run, Mapping[str, float]]:
    run = read_run(path)
    known = run.environment if isinstance(run.environment, Mapping) else {}
    try:
        if not isinstance(run.method, str) or not run.visits or known.get("notes") is None:
            raise ValueError("no method, visits or notes")
        numbers, _ = run_numbers(run), run.seed
    except (KeyError, IndexError, TypeError, ValueError) as error:
        version = known.get("driftseg", "an unknown version")
        raise InputError(
            f"{path}: expected a record of driftseg {driftseg.__version__}, got one of "
            f"{version} ({type(error).__name__}: {error}). To fix: read it with the version that "
            "made it"
        ) from None
    return run, numbers


def _recorded(run: Run, numbers: Mapping[str, float]) -> dict[str, Any]:
    """Values from the record of a run."""
    return {
        "version": run.environment.get("driftseg"),
        "frames": len(run.frames),
        "total": sum(visit["frames"] for visit in run.visits),
        "numbers": {name: value for name, value in numbers.items() if math.isfinite(value)},
    }


def _state(path: Path) -> tuple[str, Status | None]:
    """The state, and the content of ``status.json``; None without that file.

    Without that file, a run that has its last file is finished. A run whose process has ended is
    interrupted, even if the file says that it is running.

    Raises:
        InputError: the file is damaged, or of a later format.
    """
    status = read_status(path)
    if status is not None:
        return status.state, status
    whole = (path / "environment.json").is_file() and path.suffix != ".partial"
    return ("finished" if whole else "interrupted"), None


def _started(folder: RunFolder) -> str:
    """The start time from the folder's name; for a renamed one, the time of its config file."""
    if (when := _named(folder, "when")) is not None:
        try:
            return f"{datetime.strptime(when, '%y%m%d_%H%M'):%Y-%m-%d %H:%M}"
        except ValueError:
            pass
    try:
        written = (folder.path / "config.yaml").stat().st_mtime
    except OSError:
        return ""
    return f"{datetime.fromtimestamp(written):%Y-%m-%d %H:%M}"


def _named(folder: RunFolder, part: str) -> str | None:
    found = _SERIAL.match(folder.path.name)
    return None if found is None else found[part]


def _of(config: Mapping[str, Any], section: str, key: str) -> Any:
    inside = config.get(section)
    return inside.get(key) if isinstance(inside, Mapping) else None


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
