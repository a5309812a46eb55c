"""Sends items to one tracker in its own thread, so that a tracker never stops a run."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from driftseg.trackers.contract import Item, Kind, RunFacts, State, Tracker

WAITING = 1024
"""Largest number of waiting items. Above it, items of frames and pictures are dropped; above twice
this number, all items."""
WAITING_BYTES = 64 * 2**20
"""Largest number of bytes of waiting pictures."""
AT_ONCE = 32
"""Largest number of items in one call of a tracker."""
ATTEMPTS = 3
"""Number of failures in a row after which nothing more is sent."""

log = logging.getLogger("driftseg.trackers")
_SECRET = re.compile(r"(?<=://)[^\s'\"]*@")


def told(error: BaseException) -> str:
    """An error in one line, without user and password of an address."""
    text = " ".join(str(error).split())
    text = _SECRET.sub("***@", text)[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Courier:
    """One tracker and its thread.

    No method raises. Only `end` waits, for a limited time.

    Args:
        name: of the tracker, for messages.
        make: makes the tracker; called in the thread, like the tracker itself.
        run: the tracked run.
        backlog: items of the run so far, in order. They are sent first.
        stored: the `state` of an earlier session; empty for a new run.
        keep: called in the thread after every change of `state`.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Tracker],
        run: RunFacts,
        *,
        backlog: Sequence[Item] = (),
        stored: Mapping[str, Any] | None = None,
        keep: Callable[[], None] = lambda: None,
    ):
        self.name = name
        self.sent = 0
        """Number of items that the tracker took in this session."""
        self.dropped = 0
        """Number of items that it did not get."""
        self.unfinished = False
        """Whether the run ended before the tracker did."""
        stored = stored or {}
        self._make, self._run, self._keep = make, run, keep
        self._identity: str | None = stored.get("id")
        self._where: str | None = stored.get("where")
        self._handled: dict[Kind, tuple[int, int]] = {
            kind: (int(place[0]), int(place[1]))
            for kind, place in stored.get("handled", {}).items()
        }
        self._before = self._handled
        self._earlier = int(stored.get("dropped", 0))
        self._known: Mapping[str, int] = {}
        self._last_step: int | None = None
        self._error: str | None = None
        self._warned = False
        self._given_up = False
        self._ending: State | None = None
        self._abandoned = False
        self._bytes = self._under_way = 0
        self._items = deque(backlog)
        self._limit = WAITING + len(self._items)
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"driftseg-{name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Takes an item, or drops it if too many wait."""
        often = item.kind in ("frames", "pictures")
        with self._change:
            full = len(self._items) >= (self._limit if often else 2 * self._limit)
            full = full or (item.picture_bytes > 0 and self._bytes > WAITING_BYTES)
            if full or self._given_up:
                self.dropped += 1
            else:
                self._items.append(item)
                self._bytes += item.picture_bytes
                self._change.notify()
        if full:
            self._warn("is slower than the run; what does not fit into its queue is dropped")

    def close(self, state: State) -> None:
        """Announces that no more items come; does not wait."""
        with self._change:
            self._ending = state
            self._change.notify()

    def end(self, until: float) -> None:
        """Waits until everything is sent, after `close`.

        Args:
            until: the time of `time.monotonic` at which it stops waiting.
        """
        self._thread.join(max(0.0, until - time.monotonic()))
        if not self._thread.is_alive():
            return
        with self._change:
            self._abandoned = self.unfinished = True
            self.dropped += self._left() + self._under_way
            self._items.clear()
        self._warn("did not end in time; the run ends without it")

    def note(self) -> str | None:
        """A note for the record on what went wrong; None if nothing did."""
        if not (self.dropped or self._error or self.unfinished):
            return None
        parts = [f"{self.dropped} of {self.dropped + self.sent} items were not sent"]
        parts += ["it did not end in time"] if self.unfinished else []
        parts += [self._error] if self._error else []
        return f"tracker {self.name}: {'; '.join(parts)}"

    def state(self) -> dict[str, Any]:
        """The values that continue the tracker's run, and the number of items not sent."""
        return {
            "kind": self.name,
            "id": self._identity,
            "where": self._where,
            "handled": {kind: list(place) for kind, place in self._handled.items()},
            "dropped": self._earlier + self.dropped,
        }

    def _is_new(self, item: Item) -> bool:
        """Whether no earlier session sent it, or the tracker has lost it."""
        last = self._before.get(item.kind)
        lost = self._last_step is not None and item.step > self._last_step
        return last is None or item.place > last or lost

    def _left(self) -> int:
        """Number of new items that wait."""
        return sum(map(self._is_new, self._items))

    def _work(self) -> None:
        try:
            tracker = self._make()
        except BaseException as error:
            self._give_up("could not be made", error)
            return
        try:
            started = tracker.start(self._run, self._identity)
        except BaseException as error:
            self._give_up("could not start", error)
        else:
            self._identity, self._where = started.identity, started.where
            self._known, self._last_step = started.known, started.last_step
            if self._abandoned:
                return
            self._store()
            self._send_all(tracker)
        if self._abandoned:
            return
        try:
            tracker.end(self._ending or "failed")
        except BaseException as error:
            self._fail("could not close its run", error)

    def _send_all(self, tracker: Tracker) -> None:
        failures = 0
        while batch := self._next():
            error: BaseException | None = None
            try:
                items = [item for item in map(self._unknown, batch) if item.names]
                tracker.send(items)
            except BaseException as raised:
                error = raised
            with self._change:
                if self._abandoned:  # already counted as dropped
                    return
                self._under_way = 0
                self.sent += 0 if error else len(batch)
                self.dropped += len(batch) if error else 0
                last = {item.kind: item.place for item in batch}
                self._handled = {**self._handled, **last}
            failures = failures + 1 if error else 0
            if error is not None:
                self._fail("failed", error)
            if error is not None and failures == ATTEMPTS:
                self._give_up(f"failed {ATTEMPTS} times in a row", error)
                return
            self._store()

    def _next(self) -> list[Item]:
        """Waits for new items; empty at the end."""
        batch: list[Item] = []
        with self._change:
            while not batch and not (self._ending is not None and not self._items):
                self._change.wait_for(lambda: self._items or self._ending is not None)
                self._take(batch)
            self._under_way = len(batch)
        return batch

    def _take(self, batch: list[Item]) -> None:
        while self._items and len(batch) < AT_ONCE:
            item = self._items.popleft()
            self._bytes -= item.picture_bytes
            if self._is_new(item):
                batch.append(item)

    def _unknown(self, item: Item) -> Item:
        """The item without values that the tracker already has."""
        if not self._known:
            return item

        def new(values: Mapping[str, Any]) -> dict[str, Any]:
            known = self._known
            return {key: each for key, each in values.items() if known.get(key, -1) < item.step}

        return Item(
            item.kind, item.place, new(item.numbers), new(item.texts), new(item.pictures)
        )  # fmt: skip

    def _give_up(self, what: str, error: BaseException) -> None:
        with self._change:
            self._given_up = True
            self.dropped += self._left()
            self._items.clear()
        self._fail(what, error)

    def _fail(self, what: str, error: BaseException) -> None:
        self._error = f"{what} ({told(error)})"
        self._warn(self._error)

    def _warn(self, text: str) -> None:
        """Logs the first warning only."""
        with self._change:
            first, self._warned = not self._warned, True
        if first:
            log.warning("tracker %s %s. The run goes on.", self.name, text)

    def _store(self) -> None:
        try:
            self._keep()
        except OSError as error:
            self._fail("its place could not be kept in the run folder", error)
