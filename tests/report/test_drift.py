"""What the page tells of a drift, from records written as a run writes them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from drifting import drift_run

from driftseg.cli.report import report
from driftseg.errors import InputError
from driftseg.report.drift import (
    calibration_rows,
    detection_of,
    detection_row,
    module_shares,
    recovery_table,
    running_scores,
)
from driftseg.report.page import write_report
from driftseg.report.plots import strength_of
from driftseg.report.summary import group_runs
from driftseg.runs.record import read_run
from driftseg.runs.writing import new_record

SOURCE = {"clear": [60.0] * 5, "wet": [40.0] * 5, "storm": [20.0] * 5}
ADAPTED = {"clear": [60.0, 61, 60, 59, 58], "wet": [40.0, 41, 50, 50, 50],
           "storm": [20.0, 20, 25, 35, 30]}  # fmt: skip
ORACLE = {"clear": [60.4] * 5, "wet": [50.0] * 5, "storm": [40.0] * 5}


def words(path: Path) -> str:
    """The page without its pictures."""
    return re.sub(r"data:image[^\"]*", "", path.read_text(encoding="utf-8"))


def test_calibration_is_kept_where_there_is_one(tmp_path: Path) -> None:
    values = {"frames": 22, "signal": {"mean": 0.81234567, "all": [0.5, 1.0, 0.7, 0.6, 0.75]},
              "rates": [0, 1.5], "none": None, "way_home": float("nan")}  # fmt: skip
    run = drift_run(tmp_path, calibration=values)
    assert run.calibration is not None
    assert run.calibration["signal"]["mean"] == 0.812346
    assert calibration_rows(run) == [
        ("frames", "22"), ("signal.mean", "0.8123"), ("signal.all", "5 values, 0.5 to 1"),
        ("rates", "0, 1.5"), ("none", "–"), ("way home", "–"),
    ]  # fmt: skip
    without = drift_run(tmp_path, seed=1)
    assert without.calibration is None
    assert calibration_rows(without) == []


def test_broken_calibration_is_told(tmp_path: Path) -> None:
    run = drift_run(tmp_path, calibration={})
    (run.path / "calibration.json").write_text("{")
    with pytest.raises(
        InputError,
        match="expected a readable run, got a damaged one "
        r"\(Expecting property name enclosed in double "
        "quotes: line 1 column",
    ):
        read_run(run.path)


def test_strength_is_read_from_the_schedule() -> None:
    assert strength_of({"strength": 2.5}) == 2.5
    assert strength_of({"weather": "rain 25 mm/h"}) is None  # a record from before it was kept


def test_detection_of_a_record(tmp_path: Path) -> None:
    run = drift_run(tmp_path, events={5: "away", 12: "away", 24: "back", 26: "away"})
    detection = detection_of(run)
    assert [answer.delay for answer in detection.answers] == [2, 4, None]
    assert [answer.right_way for answer in detection.answers] == [True, False, None]
    assert (len(detection.early), len(detection.repeats)) == (1, 1)


def test_detections_over_seeds(tmp_path: Path) -> None:
    """The delay is over the seeds that found something; all else over both."""
    skipped = {1: "deadline", 2: "deadline", 3: "not finite"}
    one = drift_run(tmp_path, seed=1, events={12: "away", 33: "back"}, skipped=skipped)
    none = drift_run(tmp_path, seed=2)
    row = detection_row(group_runs([one, none])[0])
    assert row["changes"] == 3
    assert str(row["found"]) == "1.0 ± 1.4"
    assert row["missed"].values == (1, 3)
    assert row["delay"].values == (2.5,)
    assert row["right"].values == (100,)
    assert row["trained"].values == (92.5, 100)
    assert {reason: spread.values for reason, spread in row["skipped"].items()} == {
        "deadline": (2, 0), "not finite": (1, 0), "paused": (0, 0),
    }  # fmt: skip


def test_module_shares_are_of_trained_frames(tmp_path: Path) -> None:
    skipped = {index: "paused" for index in range(0, 40, 2) if index >= 20}
    group = group_runs([drift_run(tmp_path, skipped=skipped)])[0]
    shares = {row["name"]: row["share"].mean for row in module_shares(group)}
    assert list(shares) == ["stages 1 to 4", "stages 2 to 4", "stages 3 to 4", "stage 4 alone"]
    assert list(shares.values()) == pytest.approx([100 / 3, 0, 200 / 3, 0])
    assert module_shares(group_runs([drift_run(tmp_path, "dacs")])[0]) == []


def test_running_score_stays_in_its_visit(tmp_path: Path) -> None:
    """Constant within a visit of the record, so any leak from the next would show."""
    scores = running_scores(drift_run(tmp_path))
    expected = [100 * (5 / 10 + (10 + visit) / 20) / 2 for visit in range(4)]
    assert scores == pytest.approx(np.repeat(expected, 10))


def test_running_score_by_hand(tmp_path: Path) -> None:
    run = drift_run(tmp_path)
    for index, frame in enumerate(run.frames):
        frame["intersection"] = [index % 10, 0]
        frame["union"] = [10, 0]
    scores = running_scores(run, width=3)
    assert scores[10:14] == pytest.approx([10, 10, 10, 20])  # 0, 1, 2 first, then 1, 2, 3
    assert scores[19] == pytest.approx(80)


def test_recovery_over_seeds_and_visits(tmp_path: Path) -> None:
    shifted = {domain: [v + 1 for v in values] for domain, values in ADAPTED.items()}
    runs = [
        drift_run(tmp_path, "source_only", scores=SOURCE),
        drift_run(tmp_path, seed=1, scores=ADAPTED),
        drift_run(tmp_path, seed=2, scores=shifted),
    ]
    oracle = drift_run(tmp_path, "source_only", seed=9, scores=ORACLE, digest="supervised")
    table = recovery_table(group_runs(runs), oracle)
    assert [row["label"] for row in table["rows"]] == ["hamlet"]
    cells = table["rows"][0]["cells"]
    assert [str(cell) for cell in cells[:4]] == ["–", "105.0 ± 7.1", "77.5 ± 3.5", "–"]
    assert cells[4].values == pytest.approx((100 * 25 / 30, 100 * 27 / 30))
    assert not table["own_start"]


def test_recovery_without_a_source_of_the_same_weights(tmp_path: Path) -> None:
    """Then the method's own evaluation before its first frame is the source."""
    runs = [
        drift_run(tmp_path, "source_only", scores=ORACLE, digest="others"),
        drift_run(tmp_path, scores=ADAPTED),
    ]
    table = recovery_table(group_runs(runs), drift_run(tmp_path, "dacs", scores=ORACLE))
    assert table["own_start"]
    assert [c.mean for c in table["rows"][0]["cells"][1:3]] == [100, 75]


def test_oracles_that_cannot_be_compared(tmp_path: Path) -> None:
    run = drift_run(tmp_path, scores=ADAPTED)
    groups = group_runs([run])
    blind = drift_run(tmp_path, "dacs")
    with pytest.raises(
        InputError, match="expected held-out scores, which --oracle compares, got none"
    ):
        recovery_table(groups, blind)
    other = drift_run(tmp_path, "dacs", scores=ORACLE, config={"severity": 2.0})
    with pytest.raises(InputError, match=r"got severity 2\.0, not null"):
        recovery_table(groups, other)


def test_page_of_a_drift(tmp_path: Path) -> None:
    runs = [
        drift_run(tmp_path, "source_only", scores=SOURCE, early=True, diagnostics=True),
        drift_run(tmp_path, "dacs", scores=ADAPTED, diagnostics=True),
        drift_run(tmp_path, scores=ADAPTED, early=True, diagnostics=True,
                  events={5: "away", 12: "away", 33: "back"}, skipped={14: "deadline"},
                  calibration={"threshold": 0.25}),
    ]  # fmt: skip
    oracle = drift_run(tmp_path, "tent", scores=ORACLE)
    path = write_report(runs, tmp_path / "report.html", oracle=oracle)
    text = words(path)
    for told in (
        "Detected domain changes", "has 3 true changes", "detector: window", "skipped: deadline",
        "stages 3 to 4", "threshold", "0.25", "Confidence and entropy of each role", "Recovery",
        "by the early head",
    ):  # fmt: skip
        assert told in text, told
    assert "skipped: paused" not in text
    assert "nan" not in text.lower()
    assert text.count("confidence and entropy of the roles of") == 3
    early = text.split("by the early head")[1].split("</table>")[0]
    assert "source_only" in early
    assert "dacs" not in early


def test_page_without_a_drift_says_nothing_of_it(tmp_path: Path) -> None:
    path = write_report([drift_run(tmp_path, "dacs")], tmp_path / "report.html")
    for absent in ("Detected domain", "entropy of each role", "Recovery", "early head"):
        assert absent not in words(path)


@pytest.mark.parametrize("name", [pytest.param("adwin", marks=pytest.mark.slow), "page_hinkley"])
def test_detectors_without_a_window(name: str, tmp_path: Path) -> None:
    run = drift_run(tmp_path, name=name, events={11: "away"})
    text = words(write_report([run], tmp_path / "report.html"))
    assert f"detector: {name.replace('_', ' ')}" in text


def test_picture_of_a_drift_knows_what_a_run_does_not(tmp_path: Path) -> None:
    """A signal alone, frames without labels or a plan: still a picture."""
    run = drift_run(tmp_path)
    for frame in run.frames:
        frame.update(detector=None, plan=None, learning_rate=None, labelled=False,
                     intersection=[0, 0], union=[0, 0])  # fmt: skip
    page = write_report([run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "signal, detected changes" in page
    for picture in re.findall(r"data:image/svg\+xml;base64,([^\"]*)", page):
        assert b"<svg" in base64.b64decode(picture)


def test_command_takes_an_oracle(tmp_path: Path) -> None:
    run = drift_run(tmp_path, scores=ADAPTED)
    oracle = drift_run(tmp_path, "dacs", scores=ORACLE)
    report([run.path], out=tmp_path / "page.html", oracle=oracle.path)
    assert "Recovery" in words(tmp_path / "page.html")
    wanted = r"got nothing\. To fix: name a run in .*, or 1 more$"
    with pytest.raises(InputError, match=wanted):
        report([run.path], oracle=tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected a folder of runs, got one without any"):
        report([tmp_path / "empty"])
    file = run.path / "frames.jsonl"
    with pytest.raises(
        InputError, match=r"got a file\. To fix: name its folder, .*" + run.path.name
    ):
        report([file])


def test_calibration_is_written_beside_the_rest(tmp_path: Path) -> None:
    writer = new_record(
        tmp_path, "run", config={}, environment={}, schedule=[], classes=(),
        label_space="camvid11", home="clear",
    )  # fmt: skip
    writer.calibration({"a": 1})
    folder = writer.finish()
    assert (folder / "calibration.json").read_text() == '{\n "a": 1\n}\n'
