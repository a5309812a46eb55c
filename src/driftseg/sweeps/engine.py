"""Ray for sweeps: a cluster of this machine or an existing one, and its tasks."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from driftseg.errors import InputError
from driftseg.sweeps import extras
from driftseg.sweeps.process import GRACE
from driftseg.sweeps.syncing import Store
from driftseg.sweeps.task import Ended, Job, play

PATIENCE = 5.0
"""Seconds to wait for a cluster to answer at its address."""
OBJECT_STORE = 100 * 2**20
"""Bytes of Ray's object store on this machine; results of runs are small."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Lost(Exception):
    """A task that Ray gave up; its text says why."""


class Engine:
    """Executes runs as tasks of Ray, as a context manager.

    Args:
        address: of an existing cluster, ``HOST:PORT`` or ``auto``; None starts and ends one on
            this machine.
        folder: of the sweep.
        sync: whether Ray's object store copies files back.

    Raises:
        InputError: Ray is not installed, or no cluster is at the address.
    """

    def __init__(self, address: str | None, *, folder: Path, sync: bool):
        self._ray = extras.ray()
        self._address, self._folder, self._sync = address, folder, sync
        self._temporary: str | None = None
        self._tasks: dict[Any, str] = {}
        self._store: Any = None
        if address is not None:
            _check_address(address)

    def __enter__(self) -> Engine:
        """Connects, or starts a cluster."""
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        if self._address is None:
            # Sockets below this folder must have paths of at most 107 bytes.
            usual = "/tmp" if Path("/tmp").is_dir() else None
            self._temporary = tempfile.mkdtemp(prefix="ds-", dir=usual)
            where: dict[str, Any] = {
                "address": "local", "num_cpus": cores(), "include_dashboard": False,
                "object_store_memory": OBJECT_STORE, "_temp_dir": self._temporary,
                "_node_ip_address": "127.0.0.1",
            }  # fmt: skip
        else:
            where = {"address": self._address}
        try:
            self._ray.init(
                **where, log_to_driver=False, logging_level=logging.ERROR, namespace="driftseg"
            )
        except (
            OSError, RuntimeError, ValueError, self._ray.exceptions.RayError,
        ) as error:  # fmt: skip
            self._remove_temporary()
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"--address {self._address or 'none'}: expected a cluster of Ray, got: {first} "
                "To fix: start one with ray start --head, or leave --address out"
            ) from None
        if self._sync:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            here = self._ray.get_runtime_context().get_node_id()
            beside = NodeAffinitySchedulingStrategy(node_id=here, soft=False)
            remote = self._ray.remote(Store)
            self._store = remote.options(num_cpus=0, scheduling_strategy=beside).remote(
                str(self._folder)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Ends running tasks, and the cluster if the engine started it."""
        with _unbroken():
            for task in [*self._tasks]:
                with suppress(Exception):
                    self._ray.cancel(task)
            if self._tasks:
                self._ray.wait([*self._tasks], num_returns=len(self._tasks), timeout=GRACE)
            self._ray.shutdown()
            self._remove_temporary()

    def start(
        self, job: Job, *, cpus: float, gpus: float, memory: int | None, retries: int
    ) -> None:
        """Submits a run to Ray; it starts when a node has free resources.

        Args:
            job: the run.
            cpus: number of cores.
            gpus: number of GPUs.
            memory: bytes to reserve, if any.
            retries: how often it is started again after its worker or process was lost.
        """
        from driftseg.sweeps.task import RunLost

        remote = self._ray.remote(play).options(
            num_cpus=cpus, num_gpus=gpus, memory=memory, max_retries=retries,
            retry_exceptions=[RunLost], name=f"driftseg {job.key}",
        )  # fmt: skip
        self._tasks[remote.remote(job, self._store)] = job.key

    def ended(self, timeout: float) -> Iterator[tuple[str, Ended | Lost]]:
        """Runs that have ended; waits at most ``timeout`` seconds."""
        if not self._tasks:
            return
        done, _ = self._ray.wait([*self._tasks], num_returns=1, timeout=timeout)
        for task in done:
            key = self._tasks.pop(task)
            try:
                yield key, self._ray.get(task)
            except self._ray.exceptions.RayError as error:
                yield key, Lost(_reason(error))

    def stop(self, key: str) -> None:
        """Stops a run after its frame in progress; it ends as `Lost`."""
        for task, name in self._tasks.items():
            if name == key:
                self._ray.cancel(task)

    def lacking(self, *, cpus: float, gpus: float, memory: int | None) -> str | None:
        """The resources that no node has, as text; None if a run fits a node."""
        wanted = {"CPU": cpus, "GPU": gpus, "memory": float(memory or 0)}
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if any(_fits(wanted, node) for node in nodes):
            return None
        most = {name: max((node.get(name, 0) for node in nodes), default=0) for name in wanted}
        return (
            f"expected a node with {_told(wanted)}, got {len(nodes)} "
            f"node{'s' if len(nodes) != 1 else ''} with at most {_told(most)}"
        )

    def slots(self, cpus: float) -> int:
        """Approximate number of runs that fit the cluster at a time, by cores."""
        total = self._ray.cluster_resources().get("CPU", 1)
        return max(1, int(total / cpus))

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _fits(wanted: Mapping[str, float], node: Mapping[str, float]) -> bool:
    return all(node.get(name, 0) >= value for name, value in wanted.items())


def _told(resources: Mapping[str, float]) -> str:
    told = [f"{resources['CPU']:g} CPU cores", f"{resources['GPU']:g} GPUs"]
    if resources["memory"]:
        told.append(f"{resources['memory'] / 2**30:.1f} GiB")
    return ", ".join(told)


def _reason(error: Exception) -> str:
    """The cause of a Ray error, or its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = getattr(error, "cause", None)
    if cause is not None and str(cause):
        return str(cause)
    return lines[-1] if lines else type(error).__name__


def _check_address(address: str) -> None:
    """Checks that an address answers, because Ray itself waits for minutes.

    Raises:
        InputError: it does not answer.
    """
    if address == "auto":
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        raise InputError(
            f"--address {address}: expected HOST:PORT or auto, got no port. To fix: write the "
            "address that ray start --head prints, such as 10.0.0.5:6379"
        )
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE):
            pass
    except OSError as error:
        raise InputError(
            f"--address {address}: expected a cluster of Ray, got no answer "
            f"({error.strerror or error}). To fix: start one with ray start --head, or leave "
            "--address out to use this machine"
        ) from None


@contextmanager
def _unbroken() -> Iterator[None]:
    """Ignores Ctrl-C while the cluster ends."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
