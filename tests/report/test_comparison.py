"""Which runs are paired, and what their differences mean."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

import pytest
from records import make_run
from test_bootstrap import long_run

from driftseg.errors import InputError
from driftseg.report.comparison import Comparison, Difference, compare
from driftseg.report.comparison_words import sentences
from driftseg.report.numbers import run_numbers
from driftseg.runs.record import Run


def shifted(method: str, seed: int, points: float, **settings: Any) -> Run:
    """A run whose held-out scores after the first frame are moved."""
    run = make_run(method, seed)
    rows = [
        {**row, "mean_iou": row["mean_iou"] + points * (row["after_visit"] >= 0)}
        for row in run.evaluations
    ]
    config = {**run.config, **settings}
    return dataclasses.replace(
        run, evaluations=rows, config=config, path=run.path / "_".join(map(str, settings.values()))
    )


def only(found: Comparison, number: str = "over_all_visits") -> Difference:
    (difference,) = found.of(number)
    return difference


def test_means_and_paired_differences() -> None:
    runs = [shifted("tent", 0, 0)]
    runs += [shifted("dacs", seed, 2 + seed / 10) for seed in range(6)]
    found = compare(runs, against="tent", numbers=["over_all_visits"])
    scores = [run_numbers(run)["over_all_visits"] for run in runs]
    assert [row.label for row in found.rows] == ["tent", "dacs"]
    spread = found.rows[1].numbers["over_all_visits"]
    assert spread.mean == pytest.approx(statistics.mean(scores[1:]))
    assert spread.deviation == pytest.approx(statistics.stdev(scores[1:]))
    difference = only(found)
    assert (difference.label, difference.against) == ("dacs", "tent")
    assert difference.values == pytest.approx([score - scores[0] for score in scores[1:]])
    assert difference.verdict == "better"
    assert difference.over_frames is None


def test_pairs_share_their_seed() -> None:
    runs = [shifted("dacs", seed, 3 * seed) for seed in (0, 1, 2, 5)]
    runs += [shifted("lae", seed, 3 * seed + 1) for seed in (2, 1, 0, 7)]
    found = only(compare(runs, numbers=["held_out_1_clear"]), "held_out_1_clear")
    assert found.against == "dacs"
    assert found.values == pytest.approx([1, 1, 1])
    assert found.unpaired == 1
    told = " ".join(sentences(compare(runs, numbers=["held_out_1_clear"])))
    assert "no run of source_only: differences are against the first group, dacs" in told
    assert "lae: 1 of its runs have no counterpart in dacs" in told
    assert "better: lae (3 pairs)" in told
    assert "about 1 comparison in 4 shows a difference by chance" in told


@pytest.mark.parametrize(
    ("points", "verdict"),
    [((2, 2.1, 2.2), "better"), ((-2, -1, -3), "worse"), ((-1, 1, 2), "no difference shown"),
     ((5, 5), "cannot tell"), ((5,), "cannot tell")],
)  # fmt: skip
def test_verdicts(points: tuple[float, ...], verdict: str) -> None:
    runs = [shifted("source_only", 0, 0)]
    runs += [shifted("dacs", seed, value) for seed, value in enumerate(points)]
    found = compare(runs, numbers=["held_out_1_clear"])
    assert only(found, "held_out_1_clear").verdict == verdict
    told = " ".join(sentences(found))
    assert f"held-out mIoU in clear (visit 1), %, against source_only: {verdict}: dacs" in told
    pairs = f"({len(points)} pair{'s' * (len(points) > 1)}, 3 are needed)"
    assert (pairs in told) == (verdict == "cannot tell")


def test_forgetting_less_is_better() -> None:
    """`make_run` forgets 10 - seed points; these end some points higher at home."""
    runs = [shifted("source_only", 0, 0)]
    runs += [shifted("dacs", seed, 2) for seed in range(3)]
    assert only(compare(runs, numbers=["forgotten"]), "forgotten").mean == pytest.approx(-3)
    assert only(compare(runs, numbers=["forgotten"]), "forgotten").verdict == "better"


def test_frames_have_a_say_in_the_streams_scores() -> None:
    """Over seeds all is equal; of the frames, one lucky one makes the difference."""
    still = long_run("source_only")
    runs = []
    for seed in range(3):
        run = long_run("dacs", seed=seed)
        rows = list(run.frames)
        rows[0] = {**rows[0], "intersection": rows[0]["union"]}
        runs.append(dataclasses.replace(run, frames=rows))
    found = only(compare([still, *runs]), "stream_over_all_visits")
    assert found.over_seeds is not None
    assert found.over_seeds.excludes_zero
    assert found.over_frames is not None
    assert not found.over_frames.excludes_zero
    assert found.verdict == "no difference shown"


def test_methods_without_randomness() -> None:
    """One run of each is all there is; the stream's frames still can be drawn from."""
    still, other = long_run("source_only"), long_run("tent", worse=0.9)
    found = compare([still, other, dataclasses.replace(long_run("tent", worse=0.9, seed=1))])
    assert only(found).verdict == "cannot tell"
    assert "both are deterministic" in only(found).reason
    stream = only(found, "stream_over_all_visits")
    assert (len(stream.values), stream.verdict) == (1, "worse")


def paired(*runs: Run) -> int:
    """How many pairs with the first run there are."""
    return len(only(compare(runs, numbers=["held_out_1_clear"]), "held_out_1_clear").values)


def test_what_is_drawn_follows_from_the_methods_settings() -> None:
    """One run of a method that draws nothing stands for every seed."""
    drawn = [shifted("dacs", seed, 2) for seed in range(3)]
    for method in ("source_only", "norm_statistics", "tent"):
        assert paired(shifted(method, 0, 0), *drawn) == 3
    fresh = {"kind": "lora", "file": None}
    assert paired(shifted("tent", 0, 0, adapters=fresh), *drawn) == 1
    assert paired(shifted("tent", 0, 0, adapters={"file": "trained.safetensors"}), *drawn) == 3
    calibration = {"data": {"kind": "town"}}
    assert paired(shifted("source_only", 0, 0, calibration=calibration), *drawn) == 3
    older = {"name": "tent", "a_setting_of_before": 1}
    tent = shifted("tent", 0, 0)
    old = dataclasses.replace(tent, config={**tent.config, "method": older})
    assert paired(old, *drawn) == 3


def test_what_a_record_says_counts_first() -> None:
    drawn = [shifted("dacs", seed, 2) for seed in range(3)]
    own = shifted("gone.package:Method", 0, 0)
    told = dataclasses.replace(own, environment={**own.environment, "depends_on_seed": False})
    assert paired(told, *drawn) == 3


def test_a_method_that_is_gone_may_draw_anything() -> None:
    runs = [shifted("gone.package:Method", 0, 0), *(shifted("dacs", seed, 2) for seed in range(3))]
    found = only(compare(runs, numbers=["held_out_1_clear"]), "held_out_1_clear")
    assert len(found.values) == 1


def test_without_held_out_frames_the_stream_is_compared() -> None:
    runs = [make_run("source_only", held=False), make_run("tent", held=False)]
    found = compare(runs)
    assert "stream_over_all_visits" not in found.numbers
    assert "forgotten" not in found.numbers  # nobody knows it
    assert found.tested == ["over_all_visits"]


def test_by_a_setting() -> None:
    """Two checkpoints, three seeds: six pairs, each within its checkpoint."""
    runs = []
    for checkpoint, base in (("a", 0), ("b", 10)):
        runs.append(shifted("source_only", 0, base, checkpoint=checkpoint, source=None))
        runs += [
            shifted("dacs", seed, base + 2, checkpoint=checkpoint, source="town")
            for seed in range(3)
        ]
    found = compare(runs, by=["method"], numbers=["held_out_1_clear"])
    assert [(row.label, len(row.runs)) for row in found.rows] == [("source_only", 2), ("dacs", 6)]
    assert found.paired_by == ("seed", "checkpoint")
    assert only(found, "held_out_1_clear").values == pytest.approx([2] * 6)
    plain = compare(runs, numbers=["held_out_1_clear"])
    assert len(plain.rows) == 4
    against = {each.label: each.against for each in plain.differences}
    assert against == {
        "dacs (checkpoint a)": "source_only (checkpoint a)",
        "dacs (checkpoint b)": "source_only (checkpoint b)",
    }
    turned = compare(runs, by=["checkpoint"], numbers=["held_out_1_clear"], against="checkpoint a")
    assert only(turned, "held_out_1_clear").values == pytest.approx([10] * 4)


def test_by_needs_one_run_a_seed() -> None:
    runs = [make_run("source_only"), make_run(lr=1.0), make_run(lr=2.0)]
    with pytest.raises(
        InputError, match=r"differ in method.learning_rate. To fix: add --by method"
    ):
        compare(runs, by=["method"])
    found = compare(runs, by=["method", "learning_rate"])
    assert [row.label for row in found.rows] == [
        "source_only, learning_rate 1.0", "dacs, learning_rate 1.0", "dacs, learning_rate 2.0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": ["metod"]}, "by: expected a setting of the config, .* did you mean method"),
        ({"against": "lae"}, "against: expected a method or one of the groups"),
        ({"numbers": ["forgoten"]}, "number: expected a number .* did you mean forgotten?"),
    ],
)
def test_what_cannot_be_compared(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare([make_run("source_only"), make_run()], **asked)


def test_worlds_and_versions() -> None:
    one, other = make_run("source_only"), make_run()
    strange = dataclasses.replace(other, config={**other.config, "severity": 2.0})
    for by in ([], ["method"]):
        with pytest.raises(
            InputError,
            match="/none/dacs_0: expected the same stream as "
            r"/none/source_only_0, got severity 2\.0, not null",
        ):
            compare([one, strange], by=by)
    versions = [
        dataclasses.replace(run, environment={**run.environment, "driftseg": version})
        for run, version in ((one, "0.1.0"), (other, "0.2.0"))
    ]
    assert "the runs were made by different versions of driftseg: 0.1.0, 0.2.0" in " ".join(
        sentences(compare(versions))
    )
    blind = [make_run("source_only", held=False, labels=False), make_run(held=False, labels=False)]
    assert compare(blind).numbers == ("learnt_from", "frames_per_second")
    with pytest.raises(InputError, match="no frame was labelled"):
        compare(blind, numbers=["forgotten"])


def test_one_group_has_nothing_to_compare_with() -> None:
    found = compare([make_run(), make_run(seed=1)])
    assert found.differences == ()
    assert sentences(found) == []
