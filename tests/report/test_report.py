"""The page: complete, self-contained, honest about spread."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from records import make_run

from driftseg.errors import InputError
from driftseg.report.numbers import write_numbers
from driftseg.report.page import _heading, write_report
from driftseg.report.plots import finish, new_figure
from driftseg.report.summary import (
    Spread,
    group_runs,
    home_scores,
    run_continual,
    run_latency,
    stream_scores,
    trained_share,
    visit_scores,
)


def test_scores_by_hand() -> None:
    run = make_run()
    # first visit: (10 + 11) / 40 and 10 / 20
    assert stream_scores(run)[0] == pytest.approx(100 * (21 / 40 + 0.5) / 2)
    assert visit_scores(run) == [59, 40, 50]
    assert visit_scores(run, "early") == [29.5, 20, 25]
    assert home_scores(run) == [60, 59, 55, 50]
    result = run_continual(run)
    assert result.forward == pytest.approx(2 / (1 / 59 + 1 / 40))
    assert (result.backward, result.forgetting) == (50, 10)
    assert trained_share(run) == 50
    assert run_latency(run).frames_per_second == pytest.approx(25)


def test_seeds_become_mean_and_spread() -> None:
    groups = group_runs([make_run(seed=0), make_run(seed=4), make_run("tent")])
    assert [(g.label, len(g.runs)) for g in groups] == [("dacs", 2), ("tent", 1)]
    spread = groups[0].over_seeds(lambda run: home_scores(run)[-1])
    assert (spread.mean, spread.deviation) == (52, pytest.approx(np.std([50, 54], ddof=1)))
    assert str(spread) == "52.0 ± 2.8"
    assert str(Spread((1.0,))) == "1.0"
    assert str(Spread(())) == "–"


def test_equal_methods_are_told_apart_by_what_differs() -> None:
    groups = group_runs([make_run(lr=1.0), make_run(lr=2.0), make_run("tent")])
    assert [g.label for g in groups] == [
        "dacs (learning_rate 1.0)", "dacs (learning_rate 2.0)", "tent",
    ]  # fmt: skip


def test_labels_say_what_was_trained_before_how(tmp_path: Path) -> None:
    """As much as tells every one from all others; of a section that one lacks, that it lacks it."""
    adapters = {"kind": "convolution", "ratio": 0.25, "where": "block"}
    runs = [make_run() for _ in range(3)]
    runs[0].config["adapters"] = adapters
    runs[1].config["adapters"] = {**adapters, "where": "stage"}
    runs[2].config["adapters"] = None
    for run, train in zip(
        runs, (["adapters", "head"], ["adapters", "head"], ["head"]), strict=True
    ):
        run.config["method"]["train"] = train
    assert [group.label for group in group_runs(runs)] == [
        "dacs (train adapters, head, adapters.where block)",
        "dacs (train adapters, head, adapters.where stage)",
        "dacs (train head)",
    ]
    runs[0].config["method"]["train"] = ["head"]
    assert [group.label for group in group_runs([runs[0], runs[2]])] == [
        "dacs (adapters.kind convolution)", "dacs (no adapters)",
    ]  # fmt: skip


def test_different_worlds_do_not_share_a_page() -> None:
    """The error names every setting that differs, with both values."""
    other = make_run("tent")
    other.visits[1]["domain"] = "snow"
    with pytest.raises(InputError) as caught:
        group_runs([make_run(), other])
    assert str(caught.value) == (
        "/none/tent_0: expected the same stream as /none/dacs_0, got schedule clear (2 frames) -> "
        "snow (2 frames) -> clear (2 frames), not clear (2 frames) -> wet (2 frames) -> clear "
        "(2 frames). To fix: make one report for each, or run both with the same settings"
    )
    weathered = make_run()
    weathered.config["severity"] = 2.0
    with pytest.raises(InputError, match=r"got severity 2\.0, not null\. To fix: "):
        group_runs([make_run(), weathered])
    framed, other = make_run(), make_run()
    framed.config["target"], other.config["target"] = {"seed": 1, "every": 2}, {"seed": 1}
    with pytest.raises(InputError, match=r"got target\.every 2, not null\. To fix: "):
        group_runs([other, framed])
    cropped, whole = make_run(), make_run()
    cropped.config["crop"], whole.config["crop"] = [64, 48], None
    with pytest.raises(InputError, match=r"got crop \[64, 48\], not null\. To fix: "):
        group_runs([make_run(), cropped])
    assert len(group_runs([make_run("tent"), whole])) == 2  # older runs do not say
    with pytest.raises(InputError, match="expected at least one run, got none"):
        group_runs([])


def test_headings_say_the_weather_once(tmp_path: Path) -> None:
    assert _heading({"domain": "rain25", "weather": "rain 25 mm/h"}) == ("rain 25 mm/h", "")
    assert _heading({"domain": "storm", "weather": "rain 25 mm/h"}) == ("storm", "rain 25 mm/h")
    assert _heading({"domain": "clear", "weather": "as it is"}) == ("clear", "as it is")


def test_forgetting_is_in_points(tmp_path: Path) -> None:
    text = write_report([make_run()], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<dt>forgotten on clear</dt><dd>10.0 points</dd>" in text
    assert "<th>forgotten on clear, points</th>" in text


def test_data_may_lie_elsewhere() -> None:
    one, two = make_run(), make_run("tent")
    one.config["target"] = {"kind": "camvid", "root": "/a"}
    two.config["target"] = {"kind": "camvid", "root": "/b"}
    assert len(group_runs([one, two])) == 2


def test_the_same_run_twice_is_not_two_seeds() -> None:
    with pytest.raises(
        InputError,
        match="/none/dacs_1: expected another seed, got the "
        r"settings and the seed 1 of /none/dacs_1.*leave out one of the two runs",
    ):
        group_runs([make_run(seed=1), make_run(seed=2), make_run(seed=1)])


class Links(HTMLParser):
    """Everything a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.sources += [value for key, value in attrs if key in ("src", "href", "srcset")]
        if tag not in ("img", "meta", "br", "link", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(("held", "labels"), [(True, True), (False, True), (False, False)])
def test_page_is_whole_and_self_contained(held: bool, labels: bool, tmp_path: Path) -> None:
    runs = [make_run(m, s, held=held, labels=labels) for m in ("dacs", "tent") for s in (0, 1)]
    path = write_report(runs, tmp_path / "deep" / "report.html", title="A <storm>")
    text = path.read_text(encoding="utf-8")
    parser = Links()
    parser.feed(text)
    assert parser.open == []
    assert parser.sources
    assert all(s.startswith("data:image/") for s in parser.sources)
    assert "http" not in re.sub(r"data:image[^\"]*", "", text)
    assert "A &lt;storm&gt;" in text
    assert "a note &amp; more" in text
    assert ("<h2>Forgetting" in text) == held
    assert ("<h2>mIoU on the stream" in text) == labels
    assert "nan" not in re.sub(r"data:image[^\"]*", "", text).lower().replace("finance", "")
    assert "2 seeds" in text


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError,
        match="expected a place where the report can be written, "
        r"got an error \(File exists\)",
    ):
        write_report([make_run()], tmp_path / "file" / "report.html")


def test_groups_of_a_compat_are_named_by_it() -> None:
    own, released = make_run("hamlet"), make_run("hamlet")
    method = {**released.config["method"], "compat": "published"}
    other = dataclasses.replace(released, config={**released.config, "method": method})
    assert [group.label for group in group_runs([own, other])] == ["hamlet", "hamlet, published"]


def test_notes_above_are_those_of_all_runs(tmp_path: Path) -> None:
    one, other = make_run(), make_run("tent")
    one.environment["notes"].append("of adapters")
    html = write_report([one, other], tmp_path / "report.html").read_text(encoding="utf-8")
    shared, own = html.split("Held-out mIoU after each visit")[0], html
    assert "a note &amp; more" in shared
    assert "of adapters" not in shared
    assert "of adapters" in own


def test_long_names_do_not_lie_on_the_lines() -> None:
    """They stand below the plot, which does not lose height to them."""

    def drawn(name: str) -> tuple[bool, int, float]:
        figure, axes = new_figure(3.0)
        for number in range(4):
            axes.plot([0, 1], [number, number], label=f"{name}{number}")
        finish(axes)
        return axes.get_legend() is not None, len(figure.legends), figure.get_figheight()

    inside, below, height = drawn("tent")
    assert (inside, below, height) == (True, 0, 3.0)
    inside, below, height = drawn("restyled_replay (adapters.kind convolution) ")
    assert (inside, below) == (False, 1)
    assert height > 3.3


@pytest.mark.parametrize(
    ("frames", "held"),
    [(0, True), (1, False), (3, True), pytest.param(5, False, marks=pytest.mark.slow)],
)  # five frames are one and more, and three of a run of which nothing is held out
def test_a_part_of_a_run_is_marked_everywhere(frames: int, held: bool, tmp_path: Path) -> None:
    """In every table and plot, beside finished runs and alone; what it cannot know is missing."""
    whole, other = make_run("source_only", held=held), make_run(seed=1, held=held)
    evaluations = [row for row in other.evaluations if row["after_visit"] < frames // 2]
    config = {**other.config, "evaluation": {"kind": "town"} if held else None}
    whole.config["evaluation"] = config["evaluation"]
    part = replace(other, frames=other.frames[:frames], state="interrupted", config=config,
                   evaluations=evaluations[: 4 * (frames > 0)])  # fmt: skip
    told = f"dacs (interrupted, {frames} of 6 frames)"
    for runs in ([whole, part], [part, whole], [part]):
        page = write_report(runs, tmp_path / "page.html").read_text(encoding="utf-8")
        words = re.sub(r'"data:[^"]*"', "", page)
        assert told in words
        rows = re.findall(r"<tr><td>(.*?)</td>", words)
        assert all(told in row for row in rows if "dacs" in row)
        assert " is a part of a run (interrupted" in words
        assert not re.search(r">\s*-?nan", words)
    write_numbers([whole, part], tmp_path / "numbers.csv")
    assert told in (tmp_path / "numbers.csv").read_text()
    assert "nan" not in (tmp_path / "numbers.csv").read_text()
    write_numbers([whole, part], tmp_path / "numbers.md")
    assert told in (tmp_path / "numbers.md").read_text()


def test_a_seed_that_is_a_part_is_named() -> None:
    part = replace(make_run(seed=2), state="running")
    labels = [group.label for group in group_runs([make_run(seed=1), part])]
    assert labels == ["dacs (seed 2 running, 6 of 6 frames)"]
