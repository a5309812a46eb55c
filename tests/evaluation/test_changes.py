"""Detected changes beside true ones: by hand, and laws."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from driftseg.evaluation.changes import Change, Event, compare, true_changes

STORM = [Change(10, "wet", "away"), Change(20, "storm", "away"), Change(30, "clear", "back")]

domains = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.sampled_from([None, 0.0, 25.0])),
    max_size=8,
)
events = st.lists(
    st.builds(Event, st.integers(0, 50), st.sampled_from(["away", "back"])),
    max_size=12,
    unique_by=lambda event: event.frame,
)


def test_true_changes_by_hand() -> None:
    found = true_changes(
        ["clear", "clear", "wet", "snow", "wet", "clear"], [5, 5, 3, 0, 4, 2], [0, 0, 25, 9, 25, 0]
    )
    assert found == [Change(10, "wet", "away"), Change(17, "clear", "back")]
    assert true_changes([], [], []) == []
    assert true_changes(["day"], [9], [0]) == []


def test_a_stream_that_begins_away_from_home_begins_with_a_change() -> None:
    assert true_changes(["dusk"], [9], [0], home="day") == [Change(0, "dusk", "away")]
    assert true_changes(["day"], [9], [0], home="day") == []


def test_direction_is_told_by_the_strength_alone() -> None:
    found = true_changes(["day", "dusk", "fog", "day"], [1, 1, 1, 1], [0, 0, None, 0])
    assert [change.way for change in found] == [None, None, None]


def test_every_kind_of_event() -> None:
    """One early, one at once, one repeat, one that answers with the wrong direction."""
    detection = compare(
        STORM,
        [Event(33, "away"), Event(4, "away"), Event(10, "away"), Event(15, "away"),
         Event(38, "back")],
    )  # fmt: skip
    assert detection.early == (Event(4, "away"),)
    assert detection.repeats == (Event(15, "away"), Event(38, "back"))
    assert [answer.delay for answer in detection.answers] == [0, None, 3]
    assert [answer.right_way for answer in detection.answers] == [True, None, False]
    assert (detection.found, detection.missed, detection.false_alarms) == (2, 1, 3)
    assert detection.mean_delay == 1.5
    assert detection.right_ways == (1, 2)


def test_late_event_counts_for_the_newer_change() -> None:
    detection = compare(STORM, [Event(20, "away")])
    assert [answer.delay for answer in detection.answers] == [None, 0, None]
    assert detection.false_alarms == 0


def test_world_without_changes() -> None:
    detection = compare([], [Event(3, "away"), Event(9, "back")])
    assert (detection.found, detection.missed, detection.false_alarms) == (0, 0, 2)
    assert math.isnan(detection.mean_delay)
    assert detection.right_ways == (0, 0)
    assert compare(STORM, []).missed == 3


@given(domains, events)
def test_every_event_is_counted_once(visits, claimed) -> None:
    changes = true_changes(*map(list, zip(*visits, strict=True))) if visits else []
    detection = compare(changes, claimed)
    assert detection.found + detection.false_alarms == len(claimed)
    assert detection.found + detection.missed == len(changes)
    answers = [answer.event for answer in detection.answers if answer.event is not None]
    assert {*answers, *detection.early, *detection.repeats} == set(claimed)
    ends = [change.frame for change in changes[1:]] + [10**6]
    for answer, end in zip(detection.answers, ends, strict=False):
        if answer.delay is not None:
            assert 0 <= answer.delay < end - answer.change.frame


@given(domains)
def test_the_world_is_another_after_every_change(visits) -> None:
    frames = [domain for domain, length, _ in visits for _ in range(length)]
    changes = true_changes(*map(list, zip(*visits, strict=True))) if visits else []
    expected = [i for i in range(1, len(frames)) if frames[i] != frames[i - 1]]
    assert [change.frame for change in changes] == expected
    assert [change.domain for change in changes] == [frames[i] for i in expected]


@given(domains)
def test_perfect_detector(visits) -> None:
    changes = true_changes(*map(list, zip(*visits, strict=True))) if visits else []
    detection = compare(changes, [Event(c.frame, c.way or "away") for c in changes])
    assert (detection.missed, detection.false_alarms) == (0, 0)
    assert detection.right_ways[0] == detection.right_ways[1]
    if changes:
        assert detection.mean_delay == 0
