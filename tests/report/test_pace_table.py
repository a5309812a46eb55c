"""Accuracy against the pace of the stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from records import make_run

from driftseg.report.pace import pace_rows
from driftseg.report.page import write_report
from driftseg.report.summary import group_runs, run_latency
from driftseg.runs.record import Run


def paced(relative: float, became: list[str], method: str = "dacs") -> Run:
    run = make_run(method)
    frames = [
        {**frame, "trained": i == 2, "pace": {"frame": each, "learnt_from": 0 if i == 2 else None}}
        for i, (frame, each) in enumerate(zip(run.frames, became, strict=True))
    ]
    pace = {"relative": relative, "policy": "answer", "costs": {"learn": 2.0}}
    return replace(run, config={**run.config, "pace": pace}, frames=frames)


def test_the_rows_of_a_method_stand_from_slow_to_fast(tmp_path: Path) -> None:
    late = ["on_time", "late", "late", "on_time", "dropped", "late"]
    runs = [paced(1.0, late), make_run("tent"), paced(0.25, ["on_time"] * 6), make_run()]
    groups = group_runs(runs)
    labels = ["dacs", "dacs (pace.relative 0.25)", "dacs (pace.relative 1.0)", "tent"]
    found = pace_rows(groups)
    assert [row["label"] for row in found] == labels
    assert found[2]["counts"] == ["5", "3", "1", "1", "5"]
    assert found[0]["counts"] == ["–"] * 5
    assert (found[0]["pace"], found[2]["costs"]) == ("waits", "answer 1, step 2")
    page = write_report(runs, tmp_path / "page.html").read_text()
    assert "1 per answer of the source model" in page


def test_without_a_pace_there_is_no_table(tmp_path: Path) -> None:
    assert pace_rows(group_runs([make_run()])) == []
    assert "Pace of the stream" not in write_report([make_run()], tmp_path / "p.html").read_text()


def test_dropped_frames_took_no_time() -> None:
    run = paced(1.0, ["on_time", "dropped", "on_time", "dropped", "on_time", "dropped"])
    frames = [
        {**f, "predict_ms": 0, "adapt_ms": 0} if f["pace"]["frame"] == "dropped" else f
        for f in run.frames
    ]
    assert run_latency(replace(run, frames=frames)).median_ms == 40
