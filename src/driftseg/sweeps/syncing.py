"""Copies runs of nodes without a shared folder, through Ray's object store.

A node keeps a run in its own folder. The `Courier` in the worker sends changed files to the
`Store`, an actor on the driver's node. The store writes them to the sweep's folder. A run that
starts on another node first fetches its files from the store.
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
"""Environment variable of a node: its folder for runs in progress."""
Files = dict[str, bytes]
"""Relative path with forward slashes -> contents."""


def node_folder(folder: str) -> Path:
    """A node's folder for the runs of a sweep, from the sweep's folder on the driver."""
    digest = hashlib.sha256(folder.encode()).hexdigest()[:10]
    usual = Path(tempfile.gettempdir()) / f"driftseg-{_user()}"
    return Path(os.environ.get(NODE_FOLDER, usual)) / digest


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


class Courier:
    """Copies one run's files between a node and the store.

    Args:
        store: an actor of `Store`.
        place: folders of the node.
        key: of the run.
        config: of the run, as plain values.
    """

    def __init__(self, store: Any, place: Place, key: str, config: Mapping[str, Any]):
        self._store, self._place, self._key, self._config = store, place, key, config
        self._sent: dict[str, tuple[int, int]] = {}

    def fetch(self) -> None:
        """Fetches the run from the store if it has more frames than the node's copy."""
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
        """Sends changed files, then removes the node's copy of a finished run."""
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
        # Ray puts a large argument into the object store.
        ray().get(self._store.take.remote(name, changed, names, told))
        if finished and run is not None:
            shutil.rmtree(run, ignore_errors=True)


class Store:
    """Keeps the runs in the sweep's folder; an actor on the driver's node.

    Args:
        folder: of the sweep.
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
        """Writes a run's changed files and logs, and removes files that it no longer has."""
        for log, text in told.items():
            write_whole(self._place.folder / "logs" / log, text, durable=False)
        if name is None:
            return
        run = self._place.runs / name
        unpack(run, changed)
        for gone in {*stamps_of(run)} - {*names}:
            (run / gone).unlink(missing_ok=True)


def frames_of(run: Path) -> int:
    """Number of frames in a run's status, plus 1 if the run is finished."""
    status = read_json(run / "status.json")
    return int(status.get("frames", 0)) + (status.get("state") == "finished")


def stamps_of(run: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time of a run's files.

    Checkpoints come first and files of lines last. So the lines are at least as new as the
    checkpoints.
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
    """Contents of files, without files that were removed meanwhile."""
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
