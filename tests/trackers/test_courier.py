"""Whatever a tracker does, the run goes on, and what was lost is counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fake_trackers
import numpy as np
import pytest
from fake_trackers import Odd, Remembering, facts
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.trackers import courier as module
from driftseg.trackers.contract import Item
from driftseg.trackers.courier import Courier


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    """Threads of hanging trackers end with their test."""
    fake_trackers.RELEASE.clear()
    yield
    fake_trackers.RELEASE.set()
    for thread in threading.enumerate():
        if thread.name.startswith("driftseg-"):
            thread.join(5)
    fake_trackers.STARTED.clear()


def frame(step: int) -> Item:
    return Item("frames", (step, 0), {"x": float(step)})


def carried(tracker: Remembering, number: int, seconds: float = 10.0, **kwargs) -> Courier:
    courier = Courier("fake", lambda: tracker, facts(Path("/runs/a")), **kwargs)
    for step in range(1, number + 1):
        courier.put(frame(step))
    courier.close("finished")
    courier.end(time.monotonic() + seconds)
    return courier


def test_everything_arrives_in_order() -> None:
    tracker = Remembering()
    courier = carried(tracker, 500)
    assert tracker.series("x") == [(step, float(step)) for step in range(1, 501)]
    assert tracker.calls[0] == "start"
    assert tracker.calls[-1] == "end finished"
    assert (courier.sent, courier.dropped, courier.note()) == (500, 0, None)


@pytest.mark.parametrize("at", ["start", "send", "end"])
@pytest.mark.parametrize("does", ["raises", "exits"])
def test_a_failing_tracker_is_told_of_once(
    at: str, does: str, caplog: pytest.LogCaptureFixture
) -> None:
    courier = carried(Odd(at, does, 0), 200)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert courier.sent + courier.dropped == 200
    assert (courier.dropped == 0) == (at == "end")
    assert "tracker fake: " in courier.note()
    assert "secret" not in courier.note() + caplog.text
    assert does == "exits" or "RuntimeError: no " in courier.note()
    assert not courier.unfinished


def test_a_tracker_that_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    def make() -> Remembering:
        raise ValueError("broken")

    courier = Courier("own", make, facts(Path("/runs/a")))
    courier.put(frame(1))
    courier.close("finished")
    courier.end(time.monotonic() + 5)
    assert courier.dropped == 1
    assert caplog.messages == [
        "tracker own could not be made (ValueError: broken). The run goes on."
    ]


def test_a_failure_that_passes_costs_one_batch() -> None:
    class Once(Remembering):
        def send(self, items) -> None:
            if "send" not in self.calls:
                self.calls.append("send")
                raise OSError("connection reset")
            super().send(items)

    tracker = Once()
    courier = carried(tracker, 300)
    assert 0 < courier.dropped <= module.AT_ONCE
    assert courier.sent == 300 - courier.dropped == len(tracker.items)


@pytest.mark.parametrize("at", ["start", "send", "end"])
def test_a_hanging_tracker_ends_in_bounded_time(at: str, caplog: pytest.LogCaptureFixture) -> None:
    before = time.monotonic()
    courier = carried(Odd(at, "hangs", 0), 5000, seconds=0.5)
    assert time.monotonic() - before < 3
    assert courier.unfinished
    assert len(caplog.records) == 1
    assert courier.dropped >= (5000 - 2 * module.AT_ONCE if at != "end" else 0)
    assert "it did not end in time" in courier.note()


def test_nothing_is_called_or_stored_after_the_end() -> None:
    """A tracker that comes back late must not write into a folder that was renamed."""
    stored: list[int] = []
    tracker = Odd("start", "hangs", 0)
    courier = carried(tracker, 10, seconds=0.2, keep=lambda: stored.append(1))
    fake_trackers.RELEASE.set()
    courier._thread.join(5)
    assert not courier._thread.is_alive()
    assert tracker.calls == ["start"]
    assert stored == []


def test_a_slow_tracker_does_not_slow_the_run() -> None:
    """Putting an item takes no time, however long a tracker needs."""
    courier = Courier("slow", lambda: Odd("send", "sleeps", 0.3), facts(Path("/runs/a")))
    longest = 0.0
    for step in range(3000):
        before = time.monotonic()
        courier.put(frame(step))
        longest = max(longest, time.monotonic() - before)
    courier.close("finished")
    courier.end(time.monotonic() + 1)
    assert longest < 0.2
    assert courier.dropped > 0


def test_scores_get_through_where_frames_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 20)
    tracker = Odd("send", "hangs", 0)
    courier = Courier("slow", lambda: tracker, facts(Path("/runs/a")))
    for step in range(100):
        courier.put(frame(step))
    for number in range(10):
        courier.put(Item("evaluations", (100, number), {"mean_iou": 50.0}))
    fake_trackers.RELEASE.set()
    courier.close("finished")
    courier.end(time.monotonic() + 10)
    assert tracker.series("mean_iou") == [(100, 50.0)] * 10
    assert courier.dropped >= 100 - 20 - module.AT_ONCE
    assert courier.sent + courier.dropped == 110


def test_pictures_that_wait_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES", 10_000)
    courier = Courier("slow", lambda: Odd("start", "hangs", 0), facts(Path("/runs/a")))
    for step in range(50):
        picture = np.zeros((32, 32, 3), np.uint8)
        courier.put(Item("pictures", (step, 0), pictures={"p": picture}))
    assert courier._bytes <= 10_000 + 32 * 32 * 3
    assert courier.dropped == 50 - 4
    courier.close("failed")
    courier.end(time.monotonic())


def test_what_was_handled_before_is_not_sent_again() -> None:
    tracker = Remembering()
    stored = {"id": "abc", "where": "memory", "handled": {"frames": [7, 0]}, "dropped": 2}
    courier = carried(tracker, 10, stored=stored, backlog=[frame(i) for i in range(1, 9)])
    assert tracker.resumed == "abc"
    assert [step for step, _ in tracker.series("x")][:1] == [8]
    assert courier.state()["dropped"] == 2


def test_what_the_tracker_holds_is_not_sent_again() -> None:
    """A process can die between the tracker's write and the note of it."""

    class Knows(Remembering):
        def start(self, run, resumed):
            from dataclasses import replace

            return replace(super().start(run, resumed), known={"x": 6})

    tracker = Knows()
    carried(tracker, 10, stored={"id": "abc", "handled": {"frames": [4, 0]}})
    assert [step for step, _ in tracker.series("x")] == [7, 8, 9, 10]


@settings(max_examples=25, deadline=None)
@given(
    failing=st.sets(st.integers(0, 12)),
    number=st.integers(0, 400),
    waiting=st.integers(1, 50),
)
def test_no_item_is_lost_without_being_counted(
    failing: set[int], number: int, waiting: int
) -> None:
    class Sometimes(Remembering):
        def send(self, items) -> None:
            call = self.calls.count("send") + self.calls.count("failed")
            if call in failing:
                self.calls.append("failed")
                raise OSError("no")
            super().send(items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WAITING", waiting)
        tracker = Sometimes()
        courier = carried(tracker, number)
    assert courier.sent + courier.dropped == number
    assert len(tracker.items) == courier.sent
    steps = [item.step for item in tracker.items]
    assert steps == sorted(set(steps))
    assert (courier.note() is None) == (courier.dropped == 0)
