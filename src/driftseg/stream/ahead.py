"""Prepares the next items in a thread while the current one is used."""

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
    """Every item with its result, in order; up to ``ahead`` results are made in advance.

    One thread makes all results in order. So ``make`` may keep a file or a decoder open, and
    results do not depend on ``ahead``. An error is raised in place of its item. To stop early,
    close the generator; the thread then ends after the current item.

    Args:
        make: called once for each item.
        items: the full list.
        ahead: 0 makes each result on demand, without a thread.
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
