"""What the lines of a record are called, and at which step they stand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_rows import (
    CLASSES,
    DOMAINS,
    FRAMES,
    expected,
    frame_row,
    lines_of_a_run,
    score_row,
    visits,
)

from driftseg.evaluation.continual import continual
from driftseg.trackers.naming import Namer, finite, flat


def namer() -> Namer:
    return Namer(visits(), "clear", len(CLASSES))


def test_a_frame_in_numbers() -> None:
    (item,) = namer().frame(frame_row(0))
    assert item.step == 1
    assert item.numbers == {
        "stream/confidence": 0.5, "stream/visit": 0.0, "learning/trained": 1.0,
        "learning/learning_rate": 1e-4, "drift/signal": 0.0, "time/predict_ms": 20.0,
        "time/learn_ms": 30.0, "time/frames_per_second": 20.0, "losses/source": 1.0,
        "stream/mean_iou": 12.5, "stream/frame_mean_iou": 12.5, "detector/level": 0.0,
        "plan/module": 2.0, "plan/costs_ms/1": 3.5, "roles/student/confidence": 0.75,
        "roles/student/entropy": 1.0,
    }  # fmt: skip
    assert item.texts == {}


def test_a_detected_change_is_a_number_and_a_text() -> None:
    names = namer()
    every = [item for i in range(FRAMES + 1) for item in names.frame(frame_row(i))]
    assert every[-1].numbers["drift/change"] == 1
    assert every[-1].texts == {
        "events": "frame 4 (rain+fog): change away, signal 0.5 (before: 0.25), level 1"
    }
    (back,) = names.frame(frame_row(5, event={**frame_row(4)["event"], "direction": "back"}))
    assert back.numbers["drift/change"] == -1


def test_the_score_of_a_visit_stands_at_its_last_frame() -> None:
    series = expected()
    assert [step for step, _ in series["visits/clear/mean_iou"]] == [4, 12]
    assert [step for step, _ in series["visits/rain+fog/mean_iou"]] == [8]
    running = dict(series["stream/mean_iou"])
    assert series["visits/rain+fog/mean_iou"][0][1] == running[8]
    right = sum(frame_row(i)["intersection"][0] for i in range(4, 8))
    union = sum(frame_row(i)["union"][0] for i in range(4, 8))
    assert running[8] == pytest.approx(100 * (right / union + 0.25) / 2)


def test_held_out_scores_stand_at_their_visit() -> None:
    series = expected()
    assert series["held_out/clear/mean_iou"] == [(0, 49.0), (4, 50.0), (8, 51.0), (12, 52.0)]
    assert series["held_out_early/rain+fog/mean_accuracy"][0] == (0, 60.0)
    assert series["held_out_iou/clear/sky + cloud"][1] == (4, 40.0)
    assert not [name for name in series if "pixel_accuracy" in name]  # was null
    assert not [name for name in series if name.startswith("held_out_iou_early")]


def test_final_numbers_are_those_of_the_report() -> None:
    series = expected()
    found = continual([50.0, 51.0, 52.0], ["forward", "forward", "backward"], home=(49.0, 52.0))
    assert series["final/mean_iou_total"] == [(12, found.total)]
    assert series["final/forgetting"] == [(12, -3.0)]
    assert series["final/frames_per_second"] == [(12, 20.0)]


def test_without_held_out_frames_the_stream_counts() -> None:
    names = namer()
    for i in range(12):
        list(names.frame(frame_row(i)))
    *_, last = names.final()
    assert last.numbers["final/mean_iou_total"] > 0
    assert "final/forgetting" not in last.numbers


def test_frames_without_labels_have_no_scores() -> None:
    (item,) = namer().frame(frame_row(0, labelled=False, intersection=[0] * 3, union=[0] * 3))
    assert not [name for name in item.numbers if "iou" in name]
    assert not namer().__dict__["_held_out"]


def test_skipped_frames_leave_a_gap_and_no_visit_out() -> None:
    names = namer()
    items = [item for i in (0, 1, 9, 10) for item in names.frame(frame_row(i))]
    assert [item.step for item in items if item.kind == "frames"] == [1, 2, 10, 11]
    assert [item.step for item in items if item.kind == "visits"] == [4, 8]
    assert DOMAINS[1] not in str([item.numbers for item in items if item.kind == "visits"][1:])


def test_pictures_stand_beside_each_other() -> None:
    names = namer()
    list(names.frame(frame_row(0)))
    kinds = {"input": 1, "prediction": 3, "truth": 2}
    images = {kind: np.full((2, 3, 3), value, np.uint8) for kind, value in kinds.items()}
    (item,) = names.pictures("clear", images)
    assert item.step == 1
    assert item.pictures["pictures/clear"][0, :, 0].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert item.picture_bytes == 2 * 9 * 3


def test_the_same_lines_have_the_same_places() -> None:
    """So a resumed run knows what was sent before."""

    def places() -> list[tuple[str, tuple[int, int]]]:
        names = namer()
        found = []
        for where, row in lines_of_a_run():
            items = names.frame(row) if where == "frames" else names.evaluation(row)
            found += [(item.kind, item.place) for item in items]
        return found

    assert places() == places()
    assert len({*places()}) == len(places())
    for kind in ("frames", "evaluations", "visits"):
        mine = [place for each, place in places() if each == kind]
        assert mine == sorted(mine)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.dictionaries(st.text(), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_only_finite_numbers_are_left(values: dict) -> None:
    found = finite(flat(values, "plan"))
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.values())
    assert all(name.startswith("plan/") for name in found)


def test_scores_that_are_missing_are_left_out() -> None:
    row = {**score_row(-1, "clear"), "mean_iou": None}
    (item,) = namer().evaluation(row)
    assert "held_out/clear/mean_iou" not in item.numbers
