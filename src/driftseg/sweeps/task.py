"""The task of a Ray worker: it starts a run's process, watches it and returns how it ended.

This file has no heavy imports, so a worker stays small. The run's process loads torch.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from driftseg.runs.lock import is_held
from driftseg.sweeps.places import Place, find_run, last_lines, write_json
from driftseg.sweeps.process import GRACE
from driftseg.sweeps.syncing import Courier, node_folder

LOOK = 0.2
"""Seconds between two checks of the process."""


class RunLost(Exception):
    """A run's process was killed; Ray starts the task again."""


@dataclass(frozen=True)
class Job:
    """A run that is sent to a worker."""

    key: str
    config: dict[str, Any]
    """Resolved, as plain values; the worker sets its folder of runs."""
    folder: str
    """Folder of the sweep on the driver."""
    cwd: str
    """Working directory of the driver; relative paths of the config start there."""
    threads: int
    sync_every: float
    """Seconds between two transfers."""


@dataclass(frozen=True)
class Ended:
    """How a run's process ended."""

    code: int
    """0 is a finished run."""
    errors: str
    """The last lines of stderr."""
    host: str


def play(job: Job, store: Any = None) -> Ended:
    """Runs a job to its end in its own process.

    Args:
        job: the run.
        store: the actor that receives the files; None if the sweep's folder is shared.

    Raises:
        RunLost: the process was killed.
    """
    if store is None and not Path(job.folder).is_dir():
        return Ended(2, f"expected the sweep's folder {job.folder} on the node {platform.node()}, "
                     "got no such folder. To fix: keep it on a shared folder (--out), or set "
                     "sync: true", platform.node())  # fmt: skip
    folder = Path(job.folder) if store is None else node_folder(job.folder)
    place = Place(folder)
    place.make()
    courier = None if store is None else Courier(store, place, job.key, job.config)
    if courier is not None:
        courier.fetch()
    _wait_for_lock(place, job)
    process = _started(place, job, shared=store is None)
    try:
        _look_after(process, courier, job.sync_every)
    finally:
        _end(process)
        if courier is not None:
            courier.bring(finished=process.returncode == 0)
    errors = last_lines(place.errors(job.key))
    if process.returncode < 0 or process.returncode >= 128:
        raise RunLost(f"the run's process ended with code {process.returncode}\n{errors}")
    return Ended(process.returncode, errors, platform.node())


def _started(place: Place, job: Job, *, shared: bool) -> subprocess.Popen[bytes]:
    path = place.config(job.key)
    text = yaml.safe_dump({**job.config, "out": str(place.runs)}, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": str(job.threads), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "driftseg.sweeps.process", str(path)]
    # This process holds a pipe to the run's stdin. When the pipe closes, the run finishes its
    # frame and writes a checkpoint. Ray would not give it that time: it kills the children and
    # the process group of a worker that ends. A shell and a new session protect the run.
    if os.name == "posix":
        command = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command]
    with place.printed(job.key).open("ab") as printed, place.errors(job.key).open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE, start_new_session=True, stdout=printed, stderr=errors,
            env=environment, cwd=job.cwd if shared and Path(job.cwd).is_dir() else None,
        )  # fmt: skip
    write_json(place.started(job.key), {
        "host": platform.node(), "pid": process.pid, "worker": os.getpid(),
        "started": datetime.now().isoformat(timespec="seconds"),
    })  # fmt: skip
    return process


def _look_after(
    process: subprocess.Popen[bytes], courier: Courier | None, sync_every: float
) -> None:
    brought = time.monotonic()
    if courier is not None:
        courier.bring(finished=False)
    while process.poll() is None:
        time.sleep(LOOK)
        if courier is not None and time.monotonic() - brought >= sync_every:
            courier.bring(finished=False)
            brought = time.monotonic()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closes the run's stdin, so that it finishes its frame and writes a checkpoint."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(GRACE + 5)  # it ends itself after GRACE
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_lock(place: Place, job: Job) -> None:
    """Waits for a process of an earlier attempt, which may still write its checkpoint."""
    until = time.monotonic() + GRACE + 5
    while time.monotonic() < until:
        run = find_run(place.runs, job.config)
        if run is None or not is_held(run):
            return
        time.sleep(LOOK)
