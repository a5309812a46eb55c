"""Intervals against exact counts, against scipy, and by how often they miss."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import make_run

from driftseg.report import bootstrap
from driftseg.report.bootstrap import (
    BLOCKS,
    Interval,
    expanded_tail,
    frames_interval,
    seeds_interval,
    signed,
    t_quantile,
)
from driftseg.report.numbers import run_numbers
from driftseg.runs.record import Run

NORMAL = 1.959964


def test_quantiles_of_students_t() -> None:
    """As tables have them."""
    for freedom, value in (
        (1, 12.706205), (2, 4.302653), (3, 3.182446), (4, 2.776445), (9, 2.262157), (30, 2.042272),
        (1000, 1.962339),
    ):  # fmt: skip
        assert t_quantile(0.975, freedom) == pytest.approx(value, abs=1e-5)


def test_quantiles_as_scipy_has_them() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in range(1, 60):
        for share in (0.6, 0.9, 0.975, 0.999):
            assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom))
        number = freedom + 1
        wide = np.sqrt(number / freedom) * stats.t.ppf(0.975, freedom)
        assert expanded_tail(number) == pytest.approx(stats.norm.cdf(-wide))


def test_the_interval_counted_out() -> None:
    """All 5^5 draws of five differences."""
    values = [0.3, -0.2, 1.4, 0.9, 0.1]
    means = [np.mean(draw) for draw in itertools.product(values, repeat=5)]
    tail = expanded_tail(5)
    low, high = np.quantile(means, [tail, 1 - tail])
    found = seeds_interval(values)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, abs=0.05), pytest.approx(high, abs=0.05))


def test_the_interval_as_scipy_has_it() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(3).normal(0.5, 1.0, 20)
    known = stats.bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * expanded_tail(20), method="percentile",
        n_resamples=50_000, random_state=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    found = seeds_interval(values)
    assert found is not None
    assert found.low == pytest.approx(known.low, abs=0.03)
    assert found.high == pytest.approx(known.high, abs=0.03)


def test_few_seeds() -> None:
    assert seeds_interval([]) is None
    assert seeds_interval([1.0, 2.0]) is None
    assert seeds_interval([1.0, 2.0, 4.0]) == Interval(1.0, 4.0)
    assert not Interval(-0.1, 2).excludes_zero
    assert Interval(0.1, 2).excludes_zero
    assert Interval(-2, -0.1).excludes_zero
    assert str(Interval(-0.04, 1.26)) == "0.0 to +1.3"
    assert (signed(-0.06), signed(0.0)) == ("-0.1", "0.0")


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=12), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_laws_of_the_interval(values: list[float], shift: float) -> None:
    """Within the values, around their mean, and moved with them; the draws are always the same."""
    found = seeds_interval(values)
    assert found is not None
    slack = 1e-6 + 1e-9 * max(map(abs, values))
    assert min(values) - slack <= found.low <= np.mean(values) + slack
    assert np.mean(values) - slack <= found.high <= max(values) + slack
    moved = seeds_interval([value + shift for value in values])
    assert moved is not None
    assert moved.low == pytest.approx(found.low + shift, abs=1e-6)
    assert moved == seeds_interval([value + shift for value in values])


@pytest.mark.parametrize(("number", "misses"), [(3, 1 / 4), (4, 1 / 8), (6, 0.05), (10, 0.05)])
def test_how_often_equal_methods_seem_to_differ(
    number: int, misses: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the words say of few pairs: 1 in 2^(n-1); of six and more, about 1 in 20."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)
    draw = np.random.default_rng(0)
    found = [seeds_interval(draw.normal(size=number), seed=i) for i in range(1500)]
    wrong = np.mean([each is not None and each.excludes_zero for each in found])
    assert wrong == pytest.approx(misses, abs=0.035)


def long_run(method: str = "dacs", *, frames: int = 30, worse: float = 1.0, seed: int = 0) -> Run:
    """Three visits of as many frames as asked; scores differ from frame to frame."""
    run = make_run(method, seed)
    draw = np.random.default_rng(5)
    rows: list[dict[str, Any]] = []
    for index in range(3 * frames):
        union = draw.integers(100, 900, 2)
        part = (union * draw.uniform(0.4, 0.9) * worse).astype(int)
        rows.append({
            **run.frames[0], "index": index, "visit": index // frames, "name": f"f{index}",
            "intersection": part.tolist(), "union": union.tolist(),
        })  # fmt: skip
    visits = [{**visit, "frames": frames} for visit in run.visits]
    return dataclasses.replace(run, frames=rows, visits=visits)


def stream_score(run: Run) -> float:
    return run_numbers(run)["stream_over_all_visits"]


def test_a_draw_scores_as_a_run_of_the_drawn_frames() -> None:
    """Each frame as often as it was drawn, and scored by the report's own code."""
    run = long_run(frames=12)
    generator = np.random.default_rng(0)
    draws = [bootstrap._draws(12, generator) for _ in range(3)]
    scores = bootstrap._drawn_scores(run, draws)
    for number in range(5):
        counts = np.concatenate([each[number] for each in draws]).astype(int)
        rows = [row for row, count in zip(run.frames, counts, strict=True) for _ in range(count)]
        drawn = dataclasses.replace(run, frames=rows)
        assert scores[number] == pytest.approx(stream_score(drawn))
    every = [np.ones((bootstrap.FRAME_RESAMPLES, 12))] * 3
    assert bootstrap._drawn_scores(run, every)[0] == pytest.approx(stream_score(run))


def test_blocks_of_neighbours_are_drawn_together() -> None:
    counts = bootstrap._draws(25, np.random.default_rng(0))
    assert counts.shape == (bootstrap.FRAME_RESAMPLES, 25)
    assert (counts.reshape(-1, BLOCKS, 5).std(axis=2) == 0).all()
    assert (counts.sum(axis=1) == 5 * (BLOCKS - 1)).all()
    long = bootstrap._draws(95, np.random.default_rng(0))
    assert (long[:, :90].reshape(-1, 9, 10).std(axis=2) == 0).all()


def test_intervals_over_frames() -> None:
    run, other = long_run(), long_run("source_only", worse=0.9)
    found = frames_interval([(run, other)])
    assert found is not None
    assert 0 < found.low < stream_score(run) - stream_score(other) < found.high
    assert frames_interval([(run, run)]) == Interval(0.0, 0.0)
    assert found == frames_interval([(run, other)])
    assert found == frames_interval([(run, other), (run, other)])
    turned = frames_interval([(other, run)])
    assert turned == Interval(pytest.approx(-found.high), pytest.approx(-found.low))


def test_frames_that_cannot_be_drawn() -> None:
    run = long_run(frames=10)
    assert frames_interval([(run, dataclasses.replace(run, frames=run.frames[1:]))]) is None
    assert frames_interval([(make_run(), make_run("tent"))]) is None  # two frames a visit
    blind = make_run(labels=False)
    assert frames_interval([(blind, blind)]) is None
    assert frames_interval([]) is None
