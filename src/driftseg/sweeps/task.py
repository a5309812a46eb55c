"""What a worker of Ray does: it starts a run's process, looks after it, and returns how it ended.

This file imports nothing heavy, so a worker stays small; the run's process loads torch.
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
"""Seconds between two looks at the process."""


class RunLost(Exception):
    """A run's process was killed; Ray starts the task again."""


@dataclass(frozen=True)
class Job:
    """A run as it is sent to a worker."""

    key: str
    config: dict[str, Any]
    """Resolved, as plain values; its folder of runs is set by the worker."""
    folder: str
    """The sweep's, on the driver."""
    cwd: str
    """The driver's working folder: relative paths of the config start there."""
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
    """Plays a run to its end in a process of its own.

    Args:
        job: the run.
        store: the actor that takes the files back; None where the sweep's folder is shared.

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
    # A pipe on stdin that this process holds: when it is gone, the run's process sees its end,
    # finishes its frame and writes a checkpoint. Ray would not give it that time: it kills the
    # children and the process group of a worker that ends. So there is a shell between the two,
    # and a session of its own.
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
    """Lets the run finish its frame and write a checkpoint: it ends when its stdin does."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(GRACE + 5)  # it ends itself after GRACE
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_lock(place: Place, job: Job) -> None:
    """A process of an earlier attempt may still write its checkpoint."""
    until = time.monotonic() + GRACE + 5
    while time.monotonic() < until:
        run = find_run(place.runs, job.config)
        if run is None or not is_held(run):
            return
        time.sleep(LOOK)
