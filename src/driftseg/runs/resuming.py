"""Continues an interrupted run from its last checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

import driftseg
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.build import Parts, build
from driftseg.runs.checkpoints import find_checkpoint, remove_checkpoints
from driftseg.runs.interruption import Tell
from driftseg.runs.lock import RunLock
from driftseg.runs.loop import Watch
from driftseg.runs.record import plain
from driftseg.runs.run import environment_of, play_record, schedule_of, untold, unwatched
from driftseg.runs.status import Status, read_status
from driftseg.runs.writing import LINES, continued_record
from driftseg.scenes.dataset import Selection
from driftseg.scenes.live import LiveScenes

SAME = ("torch", "numpy", "git", "git_changes", "device", "threads", "kernels")
"""Facts that must not change for a bit-identical continuation."""


def resume(folder: Path, watch: Watch = unwatched, *, tell: Tell = untold) -> Path:
    """Continues an interrupted run; the finished record is that of an uninterrupted one.

    Args:
        folder: the run's.
        watch: called after every frame and evaluation.
        tell: called with messages for a person: the first frame, and what may not be exact.

    Returns:
        The folder.

    Raises:
        InputError: it is no run of this version, another process works on it, its checkpoints are
            damaged, or its data or weights have changed.
        RunInterrupted: by Ctrl-C or SIGTERM.
    """
    status = _status(folder)
    if status.state == "finished":
        tell(f"{folder}: is finished, with {status.frames} frames; nothing is left to do")
        return folder
    lock = RunLock(folder)
    try:
        status = _status(folder)  # as the last process left it
        if status.state == "finished":
            remove_checkpoints(folder)
            tell(f"{folder}: is finished, with {status.frames} frames; nothing is left to do")
            lock.release(remove=True)
            return folder
        return _resume(folder, lock, status, watch, tell)
    finally:
        lock.release()


def _resume(folder: Path, lock: RunLock, status: Status, watch: Watch, tell: Tell) -> Path:
    config, before = _read(folder)
    found = find_checkpoint(folder, status.run, tell)
    try:
        parts = build(config)
    except InputError as error:
        began = status.parts[-1]["folder"] if status.parts else os.getcwd()
        if began == os.getcwd():
            raise
        raise InputError(f"{error} (the run was started in {began})") from error
    try:
        now = environment_of(config, parts)
        _same_world(folder, before, now, parts)
        frames = 0 if found is None else found.frame
        writer = continued_record(
            folder,
            lock=lock,
            status=status,
            environment=now | {name: before[name] for name in before if name != "notes"},
            lengths=dict.fromkeys(LINES, 0) if found is None else found.lengths,
            frames=frames,
        )
        where = "from the first frame" if found is None else f"after {frames} frames"
        tell(f"continues {folder} {where} of {status.total}")
        notes = [*_live(parts, frames), *_differences(before, now, frames)]
        for line in notes:
            tell(line)
        if "video" in status.save:
            tell("the video goes on in a file of its own: a finished film cannot be lengthened")
        if notes:
            writer.note(notes)
        return play_record(config, parts, writer, watch, status.save, tell=tell, found=found)
    finally:
        parts.data.close()


def _status(folder: Path) -> Status:
    """Reads a run that can be continued.

    Raises:
        InputError: the run cannot be continued.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected the folder of a run, got no folder. To fix: name one that "
            "driftseg run has written."
        )
    status = read_status(folder)
    if status is None:
        known = (folder / "config.yaml").is_file()
        what = "one that cannot be continued (it has no status.json)" if known else "another folder"
        raise InputError(
            f"{folder}: expected a run, got {what}. To fix: "
            f"{'run its config.yaml again' if known else 'name one that driftseg run has written'}."
        )
    if status.version != driftseg.__version__:
        raise InputError(
            f"{folder}: expected a run of driftseg {driftseg.__version__}, got one of "
            f"{status.version}. To fix: continue it with that version, or run its config.yaml "
            "again."
        )
    return status


def _read(folder: Path) -> tuple[RunConfig, dict[str, Any]]:
    try:
        values = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        before = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(
            f"{folder}: expected config.yaml and environment.json of a run, got {error}. To fix: "
            "run again."
        ) from None
    return check(values, RunConfig, where=str(folder / "config.yaml")), before


def _same_world(
    folder: Path, before: Mapping[str, Any], now: Mapping[str, Any], parts: Parts
) -> None:
    """Raises InputError if weights or data differ from those at the start of the run.

    Raises:
        InputError: they have changed.
    """
    changed = [
        name
        for name in ("weights_digest", "adapters_digest", "renderer")
        if before.get(name) != now.get(name)
    ]
    for where, facts in now["data"].items():
        known = before.get("data", {}).get(where, {})
        if any(known.get(name) != facts[name] for name in ("scenes", "digest")):
            changed.append(f"data of {where}")
    schedule = json.loads((folder / "schedule.json").read_text(encoding="utf-8"))
    if schedule["visits"] != plain(schedule_of(parts)):
        changed.append("schedule")
    if changed:
        raise InputError(
            f"{folder}: expected what the run began with, got another {', '.join(changed)}. To "
            "fix: put it back, or run again."
        )


def _live(parts: Parts, frames: int) -> list[str]:
    """A note for a target that cannot go back, such as a camera."""
    dataset = parts.data.opened("target")
    while isinstance(dataset, Selection):
        dataset = dataset.dataset
    if not isinstance(dataset, LiveScenes):
        return []
    now = datetime.now().isoformat(timespec="minutes")
    return [f"the camera has gone on meanwhile: frames after the first {frames} are of {now} on"]


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], frames: int) -> list[str]:
    """Reasons why the continuation may not be bit-identical."""
    other = [
        name
        for name in SAME
        if name in before
        and plain(before[name]) != plain(now[name])
        and not (name.startswith("git") and now["git"] is None)  # it may be too slow to answer
    ]
    if not other:
        return []
    told = ", ".join(f"{name} {_short(now[name])} (before: {_short(before[name])})"
                     for name in other)  # fmt: skip
    return [f"continued after {frames} frames with another {told}: numbers may differ a little"]


def _short(value: object) -> str:
    return "none" if value is None else str(value)
