"""Doing the next pieces of work in a thread while the present one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def in_advance(
    make: Callable[[Item], Made], items: Sequence[Item], *, ahead: int
) -> Generator[tuple[Item, Made], None, None]:
    """Every item with what was made of it, in order; up to ``ahead`` of them are made in advance.

    One thread makes all, one after another: so ``make`` may keep a file or a decoder open, and what
    it makes does not depend on ``ahead``. An error is raised where its item would have come.
    Whoever stops early closes the generator, which ends the thread after the item in progress.

    Args:
        make: called once for each item.
        items: known beforehand.
        ahead: 0 makes each when it is asked for, without a thread.
    """
    if ahead <= 0:
        for item in items:
            yield item, make(item)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as worker:
        waiting: deque[tuple[Item, Future[Made]]] = deque()
        left = iter(items)

        def ask() -> None:
            for item in left:
                waiting.append((item, worker.submit(make, item)))
                if len(waiting) >= ahead:
                    return

        try:
            ask()
            while waiting:
                item, future = waiting.popleft()
                made = future.result()
                ask()
                yield item, made
        finally:
            worker.shutdown(wait=True, cancel_futures=True)
