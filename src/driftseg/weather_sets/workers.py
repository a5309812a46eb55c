"""Runs tasks in several processes; results come in the order of completion."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process

import cv2

from driftseg.errors import InputError
from driftseg.weather_sets.painting import Painted, Painter, Task

_painter: Painter | None = None
"""State of a worker process; sent once, not with every task."""


def paint_all(painter: Painter, tasks: Sequence[Task], workers: int) -> Iterator[Painted]:
    """The results of all tasks as they finish; a single worker is this process itself.

    Args:
        painter: runs them.
        tasks: small, one image each.
        workers: processes, each with one thread.

    Raises:
        InputError: a task failed, or a worker was killed; the others finish their current tasks.
    """
    if workers == 1:
        yield from _in_this_process(painter, tasks)
        return
    # Spawned, not forked: threads of libraries do not survive a fork.
    pool = ProcessPoolExecutor(
        min(workers, max(1, len(tasks))),
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(painter,),
    )
    waiting = iter(tasks)
    try:
        # Two tasks per worker: no worker waits, and a stop waits for few tasks.
        running: set[Future[Painted]] = {
            pool.submit(_paint, task) for task in islice(waiting, 2 * workers)
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                running |= {pool.submit(_paint, task) for task in islice(waiting, 1)}
    except BrokenProcessPool:
        raise InputError(
            "expected worker processes that run to the end, got one that was ended from outside, "
            "perhaps by lack of memory. To fix: give the same command with fewer workers, which "
            "continues (a script that starts workers does so below `if __name__ == '__main__':`)"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_this_process(painter: Painter, tasks: Sequence[Task]) -> Iterator[Painted]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for task in tasks:
            yield painter.paint(task)
    finally:
        cv2.setNumThreads(threads)


def _start(painter: Painter) -> None:
    global _painter
    _painter = painter
    os.environ["OMP_NUM_THREADS"] = "1"  # threads of torch, which only a depth network imports
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends a worker if its parent was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _paint(task: Task) -> Painted:
    assert _painter is not None
    return _painter.paint(task)
