"""Sweeps in processes of their own, and clusters that a test owns."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

import driftseg
from tiny_runs import tiny_values

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""Of the clusters of these tests. Without it, Ray's head makes a token in the home folder."""
SOURCE = os.pathsep.join([str(Path(driftseg.__file__).parents[1]), str(Path(__file__).parents[1])])
"""Where Python finds driftseg, and the encoder of the tiny checkpoint."""


def write_sweep(folder: Path, checkpoint: Path, *, frames: int = 2, **values: object) -> Path:
    """A sweep file over a tiny run, and its base beside it."""
    base = tiny_values(checkpoint, folder / "unused")
    del base["threads"], base["evaluation"]
    base["schedule"] = [
        {"name": "clear", "frames": frames}, {"name": "wet", "rain": 100, "frames": frames},
    ]  # fmt: skip
    base |= {"diagnostics_every": 0, "pictures": 0}
    base["target"]["frames"] = 2 * frames
    (folder / "base.yaml").write_text(yaml.safe_dump(base))
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"base": "base.yaml", **values}, sort_keys=False))
    return path


def command(*arguments: object, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "driftseg", *map(str, arguments)],
        cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": SOURCE, "NO_COLOR": "1", "COLUMNS": "120", **environment},
    )  # fmt: skip


def ended(process: subprocess.Popen[str], timeout: float = 240) -> tuple[int, str]:
    """Exit code and all that was printed."""
    text, _ = process.communicate(timeout=timeout)
    return process.returncode, text


def wait_until(true: Callable[[], Any], timeout: float = 180) -> Any:
    """What was waited for."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        found = true()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


def frames_of(run: Path) -> list[str]:
    """Lines of a run, times aside."""
    import json

    rows = [json.loads(line) for line in (run / "frames.jsonl").read_text().splitlines()]
    return [
        json.dumps({key: row[key] for key in row if not key.endswith("_ms")}, sort_keys=True)
        for row in rows
    ]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Node:
    """A node of Ray as a process that the test owns."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path):
        self.process, self.folder = process, folder

    def kill(self) -> None:
        """Ends it and all that it started, by their process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def cluster(*folders: Path, cpus: int = 1) -> Iterator[tuple[str, list[Node]]]:
    """A cluster with one node a folder, which is its working folder; the first is the head."""
    ray = str(Path(sys.executable).parent / "ray")
    port, nodes = free_port(), []
    temporary = tempfile.TemporaryDirectory(prefix="dst", dir="/tmp", ignore_cleanup_errors=True)
    try:
        host = node_address()
        for number, folder in enumerate(folders):
            where = (
                ["--head", f"--port={port}", "--include-dashboard=false",
                 f"--temp-dir={temporary.name}"]
                if number == 0
                else [f"--address={host}:{port}"]
            )  # fmt: skip
            log = (folder / "ray.txt").open("wb")
            process = subprocess.Popen(
                [ray, "start", *where, f"--num-cpus={cpus}", "--block", "--disable-usage-stats",
                 "--object-store-memory=100000000", f"--node-ip-address={host}"],
                cwd=folder, start_new_session=True,
                stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **TOKEN, "PYTHONPATH": SOURCE, "TMPDIR": str(folder)},
            )  # fmt: skip
            log.close()
            nodes.append(Node(process, folder))
            if number == 0:
                wait_until(lambda: _listens(host, port), 60)
        wait_until(lambda: all(b"runtime started" in (n.folder / "ray.txt").read_bytes()
                               for n in nodes), 90)  # fmt: skip
        yield f"{host}:{port}", nodes
    finally:
        for node in reversed(nodes):
            node.kill()
        temporary.cleanup()


def node_address() -> str:
    """The address that Ray gives this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        try:
            found.connect(("8.8.8.8", 53))  # nothing is sent
            return str(found.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _listens(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
