"""HAMLET from its config: calibration, compat, and what its record holds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.control.detectors import PUBLISHED_DETECTOR
from driftseg.errors import InputError
from driftseg.learners.parts.confidence import Thresholds
from driftseg.methods.hamlet import ReleasedSettings
from driftseg.runs.build import build
from driftseg.runs.record import Run, read_run
from driftseg.runs.run import run
from tiny_runs import tiny_values

SIZE = [96, 64]


def hamlet_values(tiny: dict) -> dict:
    """From the bundled model, whose early head tells rain from a clear day."""
    small = {"kind": "town", "frames": 8, "every": 5, "size": [128, 96]}
    return {
        **tiny,
        "checkpoint": None,
        "source": {**small, "seed": 1},
        "target": {**small, "seed": 2},
        "evaluation": None,
        "method": {"name": "hamlet", "base_iterations": 3, "detector": {"longest_window": 2}},
        "calibration": {"data": {**small, "seed": 4}, "rain": [100]},
        "schedule": [
            {"name": "clear", "frames": 4},
            {"name": "night", "night": 1, "rain": 200, "frames": 6},
            {"name": "clear", "frames": 4},
        ],
    }


@pytest.fixture
def hamlet_run(tiny_run) -> dict:
    return hamlet_values(tiny_run)


@pytest.fixture
def brief_run(hamlet_run, tiny_run) -> dict:
    """Of five frames of a tiny model, for what shows from the first one on."""
    wet = {"name": "night", "night": 1, "rain": 200, "frames": 2}
    small = {name: {**hamlet_run[name], "size": [64, 48]} for name in ("source", "target")}
    data = {**hamlet_run["calibration"]["data"], "size": [64, 48]}
    return {**hamlet_run, **small, "calibration": {"data": data, "rain": [100]},
            "checkpoint": tiny_run["checkpoint"],
            "schedule": [{"name": "clear", "frames": 3}, wet]}  # fmt: skip


@pytest.fixture(scope="module")
def storm(tiny_checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The record of the whole run, which several tests read."""
    values = hamlet_values(tiny_values(tiny_checkpoint, tmp_path_factory.mktemp("storm")))
    return read_run(run(check(values, RunConfig, where="test")))


def test_a_storm_is_noticed_and_answered(storm: Run) -> None:
    done = storm
    events = [row["event"] for row in done.frames if row["event"]]
    assert events
    assert events[0]["direction"] == "away"
    trained = [row["index"] for row in done.frames if row["trained"]]
    first = next(row["index"] for row in done.frames if row["event"])
    assert trained
    assert min(trained) == first + 1
    assert {row["plan"]["module"] for row in done.frames if row["trained"]} <= {1, 2, 3, 4}
    assert all(row["signal"] > 0 for row in done.frames)
    assert set(done.frames[-1]["plan"]["costs_ms"]) == {"1", "2", "3", "4"}
    looked = [row["index"] for row in done.frames if row["diagnostics"]]
    assert looked == [0, 10]


def test_what_was_learnt_is_recorded_and_used(storm: Run) -> None:
    done = storm
    learnt = done.calibration["detector"]
    reading = done.frames[0]["detector"]
    assert (reading["window"], reading["rise"]) == (learnt["window"], learnt["rise"])
    assert learnt["window"] <= 2
    assert learnt["far_level"] == pytest.approx(np.mean(done.calibration["signals"]["rain100"]))
    assert learnt["frames"] == 8
    assert json.dumps(done.calibration)


def test_published_fills_in_what_is_not_set(hamlet_run) -> None:
    values = {**hamlet_run, "method": {"name": "hamlet", "compat": "published",
                                       "detector": {"window": 3},
                                       "released": {"paste_unlabelled": False}}}  # fmt: skip
    method = check(values, RunConfig, where="test").method
    assert method.detector.window == 3
    others = {k: v for k, v in PUBLISHED_DETECTOR.items() if k != "window"}
    assert {k: getattr(method.detector, k) for k in others} == others
    switched = {k: getattr(method.released, k) for k in ReleasedSettings.model_fields}
    assert switched == {k: k != "paste_unlabelled" for k in switched}
    assert (method.norm_statistics, method.costs) == ("published", "published")
    assert method.train == ["encoder", "head"]
    assert method.confidence.threshold == 0.968
    assert method.confidence.rule == "threshold"
    assert method.confidence.weigh == "share"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ("threshold", 0.968, "pixels")),
        ({"threshold": 0.9}, ("threshold", 0.9, "pixels")),
        ({"rule": "relative"}, ("relative", 0.968, "pixels")),
        ({"weigh": "share"}, ("threshold", 0.968, "share")),
    ],
)
def test_hamlet_weighs_pixels_unless_told_otherwise(hamlet_run, given: dict, found) -> None:
    method = {"name": "hamlet", **({"confidence": given} if given else {})}
    told = check({**hamlet_run, "method": method}, RunConfig, where="test").method.confidence
    assert (told.rule, told.threshold, told.weigh) == found


def test_published_runs_without_calibration(brief_run) -> None:
    values = {**brief_run, "calibration": None,
              "method": {"name": "hamlet", "compat": "published", "start_training": True,
                         "detector": {"window": 2}, "feature_distance": 0.005,
                         "feature_distance_classes": ["car"]}}  # fmt: skip
    done = read_run(run(check(values, RunConfig, where="test")))
    assert done.calibration is None
    assert all(row["trained"] for row in done.frames[:3])
    assert "feature_distance" in done.frames[0]["losses"]


@pytest.mark.parametrize("name", ["adwin", "page_hinkley"])
def test_detectors_of_the_library(brief_run, name: str) -> None:
    pytest.importorskip("river", reason="the [drift] extra is not installed")
    values = {**brief_run, "method": {"name": "hamlet", "detector": {"name": name}}}
    done = read_run(run(check(values, RunConfig, where="test")))
    assert {row["detector"]["name"] for row in done.frames} == {name}


@pytest.mark.parametrize("selection", ["random", "round_robin", "stage3"])
def test_other_selections(brief_run, selection: str) -> None:
    method = {**brief_run["method"], "selection": selection, "start_training": True}
    done = read_run(run(check({**brief_run, "method": method}, RunConfig, where="test")))
    chosen = [row["plan"]["module"] for row in done.frames if row["trained"]]
    assert chosen
    assert set(chosen) <= ({3} if selection == "stage3" else {1, 2, 3, 4})


def test_deadline_that_nothing_meets(brief_run) -> None:
    method = {**brief_run["method"], "deadline_ms": 0.001, "start_training": True}
    done = read_run(run(check({**brief_run, "method": method}, RunConfig, where="test")))
    assert not any(row["trained"] for row in done.frames)
    assert done.frames[0]["plan"]["skipped"] == "deadline"


def test_confidence_learnt_for_dacs(hamlet_run) -> None:
    method = {"name": "dacs", "confidence": {"rule": "source_share", "source_share": 0.5}}
    parts = build(check({**hamlet_run, "method": method}, RunConfig, where="test"))
    rule = parts.model.learner._confidence
    assert isinstance(rule, Thresholds)
    assert 0.3 < float(rule._thresholds[0]) < 1


class TestBadInput:
    def refuse(self, values: dict, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            build(check(values, RunConfig, where="test"))
        assert "\n" not in str(caught.value)

    def test_nothing_to_learn_from(self, hamlet_run) -> None:
        self.refuse({**hamlet_run, "calibration": None},
                    r"method\.detector: expected values of window, rise, fall, source_level, "
r"far_level, got none.*set them, or calibration\.data")  # fmt: skip

    def test_confidence_without_calibration(self, hamlet_run) -> None:
        method = {"name": "dacs", "confidence": {"rule": "source_precision"}}
        self.refuse({**hamlet_run, "calibration": None, "method": method},
                    r"method\.confidence\.rule: expected held-out source frames for the rule "
"source_precision, got none")  # fmt: skip

    def test_calibration_at_another_size(self, hamlet_run) -> None:
        data = {**hamlet_run["calibration"]["data"], "size": [160, 96]}
        self.refuse({**hamlet_run, "calibration": {"data": data}},
                    "expected frames of the target's size 128x96, on which signal and "
r"confidence depend, got 160x96.*calibration")  # fmt: skip

    def test_calibration_without_labels(self, hamlet_run, tmp_path) -> None:
        from PIL import Image

        (tmp_path / "mine").mkdir()
        for i in range(5):
            Image.new("RGB", (128, 96), (90, 90, 40 * i)).save(tmp_path / "mine" / f"{i}.png")
        data = {"kind": "folder", "root": str(tmp_path / "mine")}
        self.refuse({**hamlet_run, "calibration": {"data": data}},
                    r"calibration\.data: expected labelled frames, got 0 without")  # fmt: skip

    def test_a_stage_that_is_not_trained(self, hamlet_run) -> None:
        method = {**hamlet_run["method"], "selection": "stage1",
                  "train": ["encoder.stage2", "head"]}  # fmt: skip
        self.refuse(
            {**hamlet_run, "method": method},
            r"method\.selection: expected a stage in method\.train, got stage1",
        )

    def test_thresholds_of_the_wrong_sign(self, hamlet_run) -> None:
        method = {"name": "hamlet", "detector": {"fall": 0.2}}
        self.refuse({**hamlet_run, "method": method}, "method.detector.fall")


def test_calibration_measures_the_signal_that_the_run_will(hamlet_run) -> None:
    """Also the released code's, at the image's size. Images are as large as the model's own, so
    that a third of them still shows something."""
    released = {"full_resolution_signal": True}
    frames = {"kind": "town", "frames": 4, "every": 5, "size": [256, 192]}
    sections = {name: {**frames, "seed": seed} for seed, name in ((1, "source"), (2, "target"))}
    hamlet_run = {**hamlet_run, **sections, "calibration": {"data": {**frames, "seed": 4}}}
    parts = [
        build(check({**hamlet_run, "method": {**hamlet_run["method"], **changes}}, RunConfig,
                    where="test"))
        for changes in ({}, {"released": released})
    ]  # fmt: skip
    small, large = (part.calibration.signals["clear"] for part in parts)
    assert small != pytest.approx(large, rel=1e-5)
    assert small == pytest.approx(large, rel=0.5)
