"""Scores against brute force and independent libraries."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import confusion_matrix, jaccard_score

from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score, confusion
from driftseg.evaluation.continual import continual, harmonic_mean
from driftseg.evaluation.latency import latency

C = 4
shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
labels = st.one_of(st.integers(0, C - 1), st.just(255))
pairs = shapes.flatmap(
    lambda s: st.tuples(
        hnp.arrays(np.uint8, s, elements=st.integers(0, C - 1)),
        hnp.arrays(np.uint8, s, elements=labels),
    )
)


@given(st.lists(pairs, min_size=1, max_size=3))
def test_against_brute_force(images) -> None:
    score = Score(C)
    intersection, union = [0] * C, [0] * C
    for prediction, label in images:
        score.add(prediction, label)
        for p, t in zip(prediction.ravel(), label.ravel(), strict=True):
            if t == 255:
                continue
            for c in range(C):
                intersection[c] += p == c and t == c
                union[c] += p == c or t == c
    assert score.intersection.tolist() == intersection
    assert score.union.tolist() == union
    iou = [i / u for i, u in zip(intersection, union, strict=True) if u]
    if iou:
        assert score.mean_iou() == pytest.approx(np.mean(iou))
    else:
        assert math.isnan(score.mean_iou())


@settings(deadline=None)
@given(pairs)
def test_against_scikit_learn(pair) -> None:
    prediction, label = pair
    known = label != 255
    if not known.any():
        return
    counts = confusion(prediction, label, C)
    expected = confusion_matrix(label[known], prediction[known], labels=range(C))
    assert np.array_equal(counts, expected)
    score = Score(C)
    score.add(prediction, label)
    present = np.flatnonzero(score.union)
    theirs = jaccard_score(label[known], prediction[known], labels=present, average="macro",
                           zero_division=0)  # fmt: skip
    assert score.mean_iou() == pytest.approx(theirs)


def test_against_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex
    generator = np.random.default_rng(0)
    score = Score(C)
    iou = MulticlassJaccardIndex(C, average="none", ignore_index=255)
    accuracy = MulticlassAccuracy(C, average="macro", ignore_index=255)
    pixels = MulticlassAccuracy(C, average="micro", ignore_index=255)
    for _ in range(3):
        prediction = generator.integers(0, C, (12, 9), dtype=np.uint8)
        label = generator.integers(0, C, (12, 9), dtype=np.uint8)
        label[generator.random(label.shape) < 0.3] = 255
        score.add(prediction, label)
        for metric in (iou, accuracy, pixels):
            metric.update(torch.tensor(prediction)[None], torch.tensor(label.astype(int))[None])
    assert score.iou() == pytest.approx(iou.compute().numpy(), rel=1e-6)
    assert score.mean_accuracy() == pytest.approx(accuracy.compute().item(), rel=1e-6)
    assert score.pixel_accuracy() == pytest.approx(pixels.compute().item(), rel=1e-6)


def test_it_is_dataset_level() -> None:
    """Two images of different content: not the mean of their own scores."""
    score = Score(2)
    score.add(np.zeros((1, 10), np.uint8), np.zeros((1, 10), np.uint8))
    score.add(np.zeros((1, 2), np.uint8), np.ones((1, 2), np.uint8))
    assert score.iou().tolist() == [10 / 12, 0]


def test_absent_class_does_not_enter_the_mean() -> None:
    score = Score(3)
    score.add(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    assert score.mean_iou() == 1
    assert np.isnan(score.iou()[1:]).all()


def test_state() -> None:
    one, two = Score(2), Score(2)
    one.add(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8))
    two.load_state_dict(one.state_dict())
    assert np.array_equal(one.counts, two.counts)


def test_bad_input() -> None:
    with pytest.raises(
        InputError,
        match=r"expected a label of the prediction's shape \(2, "
        r"2\), got \(2, 3\)",
    ):
        confusion(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), C)
    with pytest.raises(
        InputError, match="expected label ids below 4, the number of classes, got 9"
    ):
        confusion(np.zeros((2, 2), np.uint8), np.full((2, 2), 9, np.uint8), C)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=12))
def test_harmonic_mean(values: list[float]) -> None:
    mean = harmonic_mean(values)
    assert min(values) * (1 - 1e-9) <= mean <= np.mean(values) * (1 + 1e-9)
    assert harmonic_mean([v * 3 for v in values]) == pytest.approx(3 * mean)


def test_harmonic_mean_of_odd_things() -> None:
    assert harmonic_mean([50.0, 0.0]) == 0
    assert math.isnan(harmonic_mean([]))
    assert math.isnan(harmonic_mean([1.0, float("nan")]))


def test_continual_by_hand() -> None:
    result = continual([60, 30, 40, 50], ["forward", "forward", "backward", "backward"],
                       home=(60, 50))  # fmt: skip
    assert result.forward == pytest.approx(40)
    assert result.backward == pytest.approx(2 / (1 / 40 + 1 / 50))
    assert result.total_of_means == pytest.approx((40 + 400 / 9) / 2)
    assert result.total == pytest.approx(4 / (1 / 60 + 1 / 30 + 1 / 40 + 1 / 50))
    assert result.forgetting == 10


def test_continual_without_a_way_home() -> None:
    result = continual([50, 25], ["forward", "forward"])
    assert math.isnan(result.backward)
    assert result.total_of_means == result.forward
    assert result.forgetting is None


def test_latency_by_hand() -> None:
    found = latency([10, 20, 30], [0, 0, 40])
    assert found is not None
    assert found.frames_per_second == pytest.approx(30)
    assert (found.median_ms, found.predict_median_ms) == (20, 20)
    assert latency([], []) is None
