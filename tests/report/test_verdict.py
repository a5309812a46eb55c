"""What the page says first: points won in the worst weather, and lost at home."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from records import make_run

from driftseg.report.page import write_report
from driftseg.report.summary import Spread, group_runs
from driftseg.report.verdict import points, verdicts
from driftseg.runs.loop import _shown


def source_only(*, held: bool = True, labels: bool = True):
    """Its held-out scores never move: 60 on clear, 30 when wet."""
    run = make_run("source_only", held=held, labels=labels)
    still = {"clear": 60.0, "wet": 30.0}
    rows = [{**row, "mean_iou": still[row["domain"]]} for row in run.evaluations]
    return replace(run, evaluations=rows)


def test_points_by_hand() -> None:
    """dacs has 40 when wet, after the visit, and 50 and 51 on clear at the end."""
    (found,) = verdicts(group_runs([source_only(), make_run(seed=0), make_run(seed=1)]))
    assert (found.before, found.worst.mean, found.won) == (30.0, 40.0, 10.0)
    assert found.home is not None
    assert found.home.values == (-10.0, -9.0)


def test_the_stream_speaks_where_nothing_is_held_out() -> None:
    """All of these runs answer alike on the stream: nothing is won."""
    (found,) = verdicts(group_runs([source_only(held=False), make_run(held=False)]))
    assert found.won == 0
    assert found.before == pytest.approx(100 * (21 / 40 + 10 / 20) / 2)
    assert found.domain == "clear"  # where the source model is worst, whatever the weather


def test_nothing_is_said_without_the_source_model_or_labels() -> None:
    assert verdicts(group_runs([make_run(), make_run("tent")])) == []
    unlabelled = [make(held=False, labels=False) for make in (source_only, make_run)]
    assert verdicts(group_runs(unlabelled)) == []


def test_the_page_says_it_before_the_charts(tmp_path: Path) -> None:
    page = write_report([source_only(), make_run()], tmp_path / "report.html").read_text()
    said = page.index("40.0 % mIoU in the worst weather (wet), on held-out frames")
    assert "The source model has 30.0 %: <b>+10.0 points</b>" in page
    assert "On clear, after the last visit: -10.0 points" in page
    assert said < page.index("Held-out mIoU after each visit")


def test_a_page_without_the_source_model_says_so(tmp_path: Path) -> None:
    said = "This page has no run of source_only, so it has no baseline without adaptation."
    assert said in write_report([make_run()], tmp_path / "report.html").read_text()
    assert said not in write_report([source_only(), make_run()], tmp_path / "b.html").read_text()


def test_no_sign_at_zero(tmp_path: Path) -> None:
    assert [points(value) for value in (-0.04, 0.04, 0.0, -0.06, 0.06)] == [
        "0.0", "0.0", "0.0", "-0.1", "+0.1",
    ]  # fmt: skip
    assert (str(Spread((-0.04,))), str(Spread((-0.06,)))) == ("0.0", "-0.1")
    page = write_report([source_only(), source_only()][:1], tmp_path / "a.html").read_text()
    assert "-0.0" not in re.sub(r"data:image[^\"]*", "", page)


@pytest.mark.parametrize(
    ("frames", "pictures", "shown"),
    [(24, 2, [11, 23]), (24, 1, [23]), (5, 0, []), (1, 3, [0]), (3, 3, [0, 1, 2])],
)
def test_pictures_end_with_the_last_frame(frames: int, pictures: int, shown: list[int]) -> None:
    assert _shown(frames, pictures) == shown
