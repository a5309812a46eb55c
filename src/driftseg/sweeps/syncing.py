"""Runs on nodes that do not share a folder: their files travel through Ray's object store.

A node keeps a run in a folder of its own. The `Courier` in the worker sends what changed to the
`Store`, an actor beside the driver, which writes it into the sweep's folder. A run that starts on
another node first takes the files that the store has.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftseg.runs.whole import HALF, write_whole
from driftseg.sweeps.places import Place, find_run, read_json

NODE_FOLDER = "DRIFTSEG_NODE_FOLDER"
"""Environment variable of a node: where it keeps runs in progress."""
Files = dict[str, bytes]
"""Path below a folder, with forward slashes -> contents."""


def node_folder(folder: str) -> Path:
    """Where a node keeps the runs of a sweep, given the sweep's folder on the driver."""
    digest = hashlib.sha256(folder.encode()).hexdigest()[:10]
    usual = Path(tempfile.gettempdir()) / f"driftseg-{_user()}"
    return Path(os.environ.get(NODE_FOLDER, usual)) / digest


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


class Courier:
    """Carries one run's files between a node and the store.

    Args:
        store: an actor of `Store`.
        place: the node's.
        key: of the run.
        config: of the run, as plain values.
    """

    def __init__(self, store: Any, place: Place, key: str, config: Mapping[str, Any]):
        self._store, self._place, self._key, self._config = store, place, key, config
        self._sent: dict[str, tuple[int, int]] = {}

    def fetch(self) -> None:
        """Takes the run from the store, where it is further than the node's own copy."""
        from driftseg.sweeps.extras import ray

        name, frames = ray().get(self._store.known.remote(self._config))
        own = find_run(self._place.runs, self._config)
        if name is None or (own is not None and frames_of(own) >= frames):
            return
        if own is not None:
            shutil.rmtree(own)
        files = ray().get(self._store.files.remote(name))
        unpack(self._place.runs / name, files)

    def bring(self, *, finished: bool) -> None:
        """Sends what changed; of a finished run, the node's copy is removed afterwards."""
        from driftseg.sweeps.extras import ray

        run = find_run(self._place.runs, self._config)
        logs = [self._place.started(self._key), self._place.errors(self._key)]
        told = {path.name: path.read_bytes() for path in logs if path.is_file()}
        name, changed, names = None, {}, []
        if run is not None:
            name = run.name
            stamps = stamps_of(run)
            changed = pack(run, [n for n in stamps if self._sent.get(n) != stamps[n]])
            names, self._sent = [*stamps], stamps
        # A large argument is put into the object store by Ray.
        ray().get(self._store.take.remote(name, changed, names, told))
        if finished and run is not None:
            shutil.rmtree(run, ignore_errors=True)


class Store:
    """Keeps the runs in the sweep's folder; an actor beside the driver.

    Args:
        folder: the sweep's.
    """

    def __init__(self, folder: str):
        self._place = Place(Path(folder))

    def known(self, config: Mapping[str, Any]) -> tuple[str | None, int]:
        """The run of a config, and its number of frames."""
        run = find_run(self._place.runs, config)
        return (None, 0) if run is None else (run.name, frames_of(run))

    def files(self, name: str) -> Files:
        """All files of a run."""
        run = self._place.runs / name
        return pack(run, [*stamps_of(run)])

    def take(
        self, name: str | None, changed: Files, names: list[str], told: Mapping[str, bytes]
    ) -> None:
        """Writes what changed in a run, removes what it no longer has, and keeps its logs."""
        for log, text in told.items():
            write_whole(self._place.folder / "logs" / log, text, durable=False)
        if name is None:
            return
        run = self._place.runs / name
        unpack(run, changed)
        for gone in {*stamps_of(run)} - {*names}:
            (run / gone).unlink(missing_ok=True)


def frames_of(run: Path) -> int:
    """Frames that a run's status tells of; a finished run is further than any other."""
    status = read_json(run / "status.json")
    return int(status.get("frames", 0)) + (status.get("state") == "finished")


def stamps_of(run: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of a run's files.

    Checkpoints come first and lines last: lines that were read after a checkpoint hold at least
    what the checkpoint counts on.
    """
    found = {}
    for path in sorted(run.rglob("*"), key=lambda each: (each.suffix == ".jsonl", each)):
        if path.name.endswith(HALF) or path.name == ".lock" or not path.is_file():
            continue
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue
        found[path.relative_to(run).as_posix()] = (facts.st_size, facts.st_mtime_ns)
    return found


def pack(run: Path, names: list[str]) -> Files:
    """Contents of files; those that have gone meanwhile are left out."""
    files = {}
    for name in names:
        try:
            files[name] = (run / name).read_bytes()
        except FileNotFoundError:
            continue
    return files


def unpack(run: Path, files: Files) -> None:
    """Writes files: lines first, then the rest, and the status last."""
    order = sorted(files, key=lambda name: (name == "status.json", not name.endswith(".jsonl")))
    for name in order:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, files[name], durable=False)
