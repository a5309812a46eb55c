"""A lock on a run's folder that ends with the process that holds it."""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from driftseg.errors import InputError

LOCK = ".lock"
PATIENCE = 0.5
"""Seconds that a lock is tried for: somebody may just be looking whether it is held."""
LONGEST = 30.0
"""Seconds to wait for a process that makes a run's folder, which takes it some milliseconds."""


class RunLock:
    """A lock from the run's first frame to its end.

    The operating system releases it when the process ends in any way.

    Raises:
        InputError: another process holds it, or the folder cannot be written to.
    """

    def __init__(self, folder: Path):
        self._path = folder / LOCK
        self._handle: int | None = None
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(
                f"{folder}: expected a folder that can be written to, got {error.strerror}. "
                "To fix: change its permissions, or copy the run."
            ) from None
        until = time.monotonic() + PATIENCE
        while not _try(handle):
            if time.monotonic() > until:
                os.close(handle)
                raise InputError(
                    f"{folder}: expected a run that no process works on, got one in progress. "
                    "To fix: wait until it ends, or end that process."
                )
            time.sleep(0.02)
        self._handle = handle
        _HELD.add(self)

    def release(self, *, remove: bool = False) -> None:
        """Releases the lock; ``remove`` deletes its file, for a finished run."""
        if self._handle is None:
            return
        if remove:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None
        _HELD.discard(self)

    def forget(self) -> None:
        """Closes the lock in a forked child, so the child does not keep the parent's lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


_HELD: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in list(_HELD):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Only one process is inside at a time, of all that name this file; it is gone afterwards.

    Raises:
        InputError: another process is inside for too long.
        OSError: the file cannot be made.
    """
    until = time.monotonic() + LONGEST
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if _try(handle) and _is(handle, path):
            break
        os.close(handle)  # held, or of a process that has taken its file away meanwhile
        if time.monotonic() > until:
            raise InputError(
                f"{path}: expected a file that nobody holds for long, got one held for "
                f"{LONGEST:.0f} s. To fix: end the process that holds it."
            )
        time.sleep(0.02)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def is_held(folder: Path) -> bool:
    """Whether a process is working on a run."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(handle, shared=True)
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _try(handle: int, *, shared: bool = False) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try(handle: int, *, shared: bool = False) -> bool:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
