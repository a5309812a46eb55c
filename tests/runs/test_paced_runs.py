"""Runs on a stream that does not wait for the method."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interrupted import Snapshots, config_of, record, values_of

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.checkpoints import Pace
from driftseg.runs.pace_costs import MeasuredCosts
from driftseg.runs.record import read_run
from driftseg.runs.resuming import resume
from driftseg.runs.run import run

FITS = {"relative": 0.2, "costs": {"learn": 4.0}}
THREE = {"relative": 1.0, "costs": {"learn": 3.0}}
"""An answer of one frame and a step of three: frames 0 and 4 of six are learnt from."""
PACE_POLICIES = ("answer", "drop")
SCORES = ("intersection", "union", "confidence", "entropy")


def rows(checkpoint: Path, out: Path, method: str = "norm_statistics", **changes) -> list[dict]:
    return [*read_run(run(config_of(method, checkpoint, out, **changes))).frames]


def scores(row: dict) -> list:
    return [row[name] for name in SCORES]


@pytest.mark.parametrize("method", ["tent", "dacs", "hamlet"])
def test_costs_that_fit_the_pace_change_nothing(
    method: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    free = record(run(config_of(method, tiny_checkpoint, tmp_path / "free")))
    paced = record(run(config_of(method, tiny_checkpoint, tmp_path / "paced", pace=FITS)))
    told = [row.pop("pace") for row in paced["frames.jsonl"]]
    assert told == [{"frame": "on_time", "learnt_from": index} for index in range(6)]
    assert paced["frames.jsonl"] == free["frames.jsonl"]
    assert paced["evaluations.jsonl"] == free["evaluations.jsonl"]


def test_late_frames_are_answered_by_the_weights_before_the_step(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """A large rate, so that every step shows in every answer."""

    def tent(out: str, **changes) -> Path:
        values = values_of("tent", tiny_checkpoint, tmp_path / out, **changes)
        values["method"] = {"name": "tent", "learning_rate": 0.05}
        return run(check(values, RunConfig, where="test"))

    folder = tent("paced", pace=THREE)
    paced = read_run(folder).frames
    free = read_run(tent("free")).frames
    plain = rows(tiny_checkpoint, tmp_path / "plain", "source_only")
    assert [row["pace"]["frame"] for row in paced] == [
        "on_time", "late", "late", "late", "on_time", "late",
    ]  # fmt: skip
    assert [row["pace"]["learnt_from"] for row in paced] == [None, None, None, 0, None, None]
    assert [row["trained"] for row in paced] == [False, False, False, True, False, False]
    assert paced[3]["losses"] == free[0]["losses"]  # the step of frame 0, only later
    assert [scores(row) for row in paced[:4]] == [scores(row) for row in plain[:4]]
    for one, other in zip(paced[4:], plain[4:], strict=True):
        assert scores(one) != scores(other)
    assert [row["entropy"] for row in free[1:4]] != [row["entropy"] for row in plain[1:4]]
    told = json.loads((folder / "pace.json").read_text())
    assert (told["interval"], told["unit"]) == (1.0, "answers of the source model")
    assert told["visits"] == [
        {"visit": 0, "domain": "clear", "frames": 2, "answered": 2, "late": 1, "dropped": 0,
         "learnt_from": 1, "not_learnt_from": 1},
        {"visit": 1, "domain": "wet", "frames": 2, "answered": 2, "late": 2, "dropped": 0,
         "learnt_from": 0, "not_learnt_from": 2},
        {"visit": 2, "domain": "clear", "frames": 2, "answered": 2, "late": 1, "dropped": 0,
         "learnt_from": 0, "not_learnt_from": 2},
    ]  # fmt: skip


def test_the_last_answer_counts_for_dropped_frames(tiny_checkpoint: Path, tmp_path: Path) -> None:
    paced = rows(tiny_checkpoint, tmp_path, pace={**THREE, "policy": "drop"})
    became = ["on_time", "dropped", "dropped", "dropped", "on_time", "dropped"]
    assert [row["pace"]["frame"] for row in paced] == became
    assert len({row["entropy"] for row in paced[:4]}) == 1
    assert paced[0]["intersection"] != paced[1]["intersection"]  # of another frame's truth
    assert paced[1]["predict_ms"] == 0


def test_a_stream_faster_than_answers_drops_frames(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pace = {"frames_per_second": 100, "costs": {"predict_ms": 20, "learn_ms": 20}}
    paced = rows(tiny_checkpoint, tmp_path, pace=pace)
    assert [row["pace"]["frame"] for row in paced] == [
        "on_time", "dropped", "late", "dropped", "on_time", "dropped",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "policy"),
    [
        ("tent", "answer"), ("tent", "drop"), ("bank", "answer"), ("bank", "drop"),
        ("hamlet", "answer"), pytest.param("hamlet", "drop", marks=pytest.mark.slow),
        *(pytest.param("restyled_replay", how, marks=pytest.mark.slow) for how in PACE_POLICIES),
    ],
)  # fmt: skip
def test_a_paced_run_continues_exactly(
    method: str, policy: str, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut while a step is under way, so that the image to learn from must be in the checkpoint."""
    monkeypatch.setattr(Pace, "due", lambda self, *, visit_ended: True)
    pace = {"relative": 1.0, "costs": {"learn": 2.0}, "policy": policy}
    cut = Snapshots(
        tmp_path / "runs", tmp_path, lambda m: (m.doing, m.frame) in (("stream", 3), ("stream", 6))
    )
    whole = run(config_of(method, tiny_checkpoint, tmp_path / "runs", pace=pace), cut)
    wanted = record(whole)
    assert "pace.json" in wanted
    for part in cut.made:
        assert record(resume(part)) == wanted


def test_measured_times_decide_before_the_step(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial of a step leaves no trace: with time enough, nothing changes."""
    free = rows(tiny_checkpoint, tmp_path / "free", "dacs")
    slow = rows(tiny_checkpoint, tmp_path / "slow", "dacs", pace={"frames_per_second": 0.01})
    assert [row["losses"] for row in slow] == [row["losses"] for row in free]
    assert [scores(row) for row in slow] == [scores(row) for row in free]
    monkeypatch.setattr(MeasuredCosts, "_timed", lambda self, call, image: [10.0])
    known = {"answer": 10.5, "answer to learn from": 11.0, "step": 19.5}
    monkeypatch.setattr(MeasuredCosts, "_median", lambda self, kind: known.get(kind, 0.0))
    fast = rows(tiny_checkpoint, tmp_path / "fast", "dacs", pace={"relative": 1.0})
    assert [row["pace"]["learnt_from"] for row in fast] == [None, None, 0, None, None, 3]


@pytest.mark.parametrize(
    ("pace", "message"),
    [
        ({}, "pace: expected either frames_per_second or relative, got none. To fix: set one"),
        (
            {"relative": 1, "frames_per_second": 10},
            "pace: expected either frames_per_second or relative, got both. To fix: set one",
        ),
        ({"relative": 0}, "pace.relative: expected a number greater than 0, got 0. To fix: "),
        (
            {"relative": 1, "policy": "wait"},
            "pace.policy: expected 'answer' or 'drop', got 'wait'. To fix: ",
        ),
        (
            {"relative": 1, "costs": {"learn": 2, "learn_ms": 3, "predict_ms": 1}},
            "pace.costs: expected costs in one unit, got costs in milliseconds and relative",
        ),
        ({"relative": 1, "costs": {}}, "pace.costs: expected the cost of a learning step, got no"),
        (
            {"relative": 1, "costs": {"learn_ms": 2}},
            "pace.costs: expected predict_ms and learn_ms, got one of them. To fix: set predict_ms",
        ),
        (
            {"frames_per_second": 10, "costs": {"learn": 2}},
            "pace: expected costs in milliseconds for a speed in frames per second, got relative",
        ),
    ],
)
def test_wrong_settings(pace: dict, message: str, tiny_run: dict) -> None:
    with pytest.raises(InputError) as caught:
        check({**tiny_run, "pace": pace}, RunConfig, where="test")
    assert message in str(caught.value)
    assert "To fix: " in str(caught.value)
