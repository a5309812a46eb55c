"""Existing runs of the same config."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

import driftseg
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.environment import file_digest
from driftseg.runs.record import config_hash
from driftseg.runs.source_model import load_model
from driftseg.runs.status import Status, read_status

ANYWHERE = ("out",)
"""Settings that only determine where a run is kept."""


def same_runs(config: RunConfig) -> list[tuple[Path, Status]]:
    """Runs of this version and exactly this config in its folder, the last first.

    Older finished runs without a status count, too.
    """
    values = config.model_dump(mode="json")
    wanted, ending = _comparable(values), config_hash(values)
    found = []
    for folder in [*config.out.glob(f"*_{ending}"), *config.out.glob(f"*_{ending}-*")]:
        status = _status(folder)
        if status is not None and _comparable(_config(folder)) == wanted:
            found.append((folder, status))
    return sorted(found, key=lambda each: each[0].stat().st_mtime_ns, reverse=True)


def finished_run(config: RunConfig, save: Collection[str] = ()) -> Path | None:
    """The last finished run of a config with the same weights; None if there is none.

    Args:
        config: the settings.
        save: results of every frame that the run must have kept.
    """
    found = [
        folder
        for folder, status in same_runs(config)
        if status.state == "finished" and set(save) <= _saved(folder, status)
    ]
    if not found:
        return None
    _, info = load_model(config)
    adapters = None if config.adapters is None else config.adapters.file
    for folder in found:
        told = _read_json(folder / "environment.json")
        if told.get("weights_digest") != info.digest:
            continue
        known = told.get("adapters_digest")
        if adapters is None or known is None or known == file_digest(adapters):
            return folder
    return None


def unfinished_runs(config: RunConfig, save: Collection[str] = ()) -> list[tuple[Path, str]]:
    """Interrupted or running runs of a config, the last first, with their progress.

    Args:
        config: the settings.
        save: results of every frame that the runs must keep.
    """
    return [
        (folder, f"{status.state}, {status.frames} of {status.total} frames")
        for folder, status in same_runs(config)
        if status.state != "finished" and set(save) <= {*status.save}
    ]


def refuse_second(config: RunConfig, save: Collection[str] = ()) -> None:
    """Of two processes that begin one config with ``--resume``, the second one is refused.

    Raises:
        InputError: another process has begun the run meanwhile.
    """
    for folder, part in unfinished_runs(config, save)[:1]:
        raise InputError(
            f"{folder}: expected no other process that begins this run, got one that has begun it "
            f"meanwhile ({part}). To fix: wait until it ends, then give the same command again."
        )


def _saved(folder: Path, status: Status) -> set[str]:
    return {*status.save} if status.run else {each.name for each in folder.glob("saved/*")}


def _comparable(values: Any) -> str:
    if not isinstance(values, dict):
        return ""
    kept = {key: value for key, value in values.items() if key not in ANYWHERE}
    return json.dumps(kept, sort_keys=True, default=str)


def _config(folder: Path) -> Any:
    try:
        return yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _status(folder: Path) -> Status | None:
    try:
        status = read_status(folder)
    except InputError:
        return None
    if status is None:
        told = _read_json(folder / "environment.json")
        whole = folder.suffix != ".partial" and bool(told)
        version = str(told.get("driftseg"))
        status = Status("finished", 0, 0, run="", version=version) if whole else None
    return status if status is not None and status.version == driftseg.__version__ else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values
