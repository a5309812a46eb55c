"""The parts that methods share, against brute force and published tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from driftseg.frame import SourceBatch
from driftseg.learners.parts.classmix import choose_classes, number_of_classes, paste
from driftseg.learners.parts.ema import momentum
from driftseg.learners.parts.jitter import jitter_and_blur, kernel_size
from driftseg.learners.parts.losses import (
    as_numbers,
    downsample_labels,
    entropy,
    feature_distance,
    weighted_cross_entropy,
)
from driftseg.learners.parts.mixing import Mixing
from driftseg.models.segmenter import upsample


@pytest.mark.parametrize(
    ("ratio", "table"),
    [
        (0.5, [math.ceil(n / 2) for n in range(1, 21)]),
        (0.375, [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7]),
        (0.25, [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5]),
    ],
)
def test_number_of_pasted_classes(ratio: float, table: list[int]) -> None:
    """The published table for 1 to 20 classes."""
    assert [number_of_classes(n, ratio) for n in range(1, 21)] == table


def test_all_classes_at_most() -> None:
    assert number_of_classes(3, 1.0) == 3


def test_ignored_pixels_are_no_class() -> None:
    labels = torch.tensor([[[255, 255], [3, 7]]])
    drawn = {tuple(choose_classes(labels, ratio=0.5, generator=np.random.default_rng(s)))
             for s in range(20)}  # fmt: skip
    assert drawn == {(3,), (7,)}
    assert choose_classes(labels[:, :1], ratio=0.5, generator=np.random.default_rng(0)) == []


def test_paste_takes_source_where_chosen_and_target_elsewhere() -> None:
    generator = torch.Generator().manual_seed(0)
    images, target = (torch.rand((2, 3, 4, 5), generator=generator) for _ in range(2))
    labels = torch.randint(0, 3, (2, 4, 5), generator=generator)
    pseudo = torch.randint(3, 6, (2, 4, 5), generator=generator)
    weights = torch.full((2, 4, 5), 0.25)
    mixed = paste(images, labels, target, pseudo, weights, classes=[1])
    for b in range(2):
        for y in range(4):
            for x in range(5):
                pasted = labels[b, y, x] == 1
                origin = images if pasted else target
                assert torch.equal(mixed.images[b, :, y, x], origin[b, :, y, x])
                assert mixed.labels[b, y, x] == (1 if pasted else pseudo[b, y, x])
                assert mixed.weights[b, y, x] == (1 if pasted else 0.25)


def test_nothing_is_read_back_from_the_device_to_mix() -> None:
    """Tensors without values stand for a device: asking them for one raises."""
    generator = torch.Generator().manual_seed(0)
    frame = torch.rand((1, 3, 16, 20), generator=generator)
    source = SourceBatch(
        torch.rand((2, 3, 16, 20), generator=generator),
        torch.randint(0, 4, (2, 16, 20), generator=generator),
    )
    here, there = (
        Mixing(0.2, True, np.random.default_rng(2)).mix(
            frame,
            source,
            torch.zeros((1, 16, 20), dtype=torch.int64, device=place),
            torch.zeros((1, 16, 20), device=place),
            0.5,
        )
        for place in ("cpu", "meta")
    )
    for name in ("images", "labels", "weights"):
        one, other = getattr(here, name), getattr(there, name)
        assert other.device.type == "meta"
        assert (other.shape, other.dtype) == (one.shape, one.dtype)


def test_numbers_for_the_record_are_fetched_at_once(monkeypatch) -> None:
    told = {"a": torch.tensor(0.1, requires_grad=True), "b": torch.tensor(math.inf)}
    expected = {"a": float(told["a"].detach()), "b": math.inf}
    fetched, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda tensor: fetched.append(tensor) or tolist(tensor)
    )
    assert as_numbers(told) == expected
    assert len(fetched) == 1


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=60))
def test_teacher_begins_as_the_mean_of_all_students(students: list[float]) -> None:
    teacher = 123.0  # step 0 must forget it
    for step, student in enumerate(students):
        share = momentum(step, 0.999)
        teacher = share * teacher + (1 - share) * student
    assert teacher == pytest.approx(np.mean(students), rel=1e-6, abs=1e-6)


def test_momentum_is_bounded() -> None:
    assert momentum(0, 0.999) == 0
    assert momentum(10_000, 0.999) == 0.999


@pytest.mark.parametrize(("side", "size"), [(512, 51), (1024, 103), (240, 23)])
def test_blur_kernel(side: int, size: int) -> None:
    """512 and 1024 are the published values."""
    assert kernel_size(side) == size


def test_jitter_is_reproducible_bounded_and_off_when_off() -> None:
    images = torch.rand((2, 3, 20, 30), generator=torch.Generator().manual_seed(0))
    for seed in range(12):
        one, two = (
            jitter_and_blur(images, strength=0.2, blur=True, generator=np.random.default_rng(seed))
            for _ in range(2)
        )
        assert torch.equal(one, two)
        assert one.min() >= 0
        assert one.max() <= 1
        still = jitter_and_blur(
            images, strength=0.0, blur=False, generator=np.random.default_rng(seed)
        )
        assert torch.equal(still, images)


def test_jitter_is_applied_to_four_fifths_of_batches() -> None:
    images = torch.rand((1, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    changed = [
        not torch.equal(
            jitter_and_blur(images, strength=0.2, blur=False, generator=np.random.default_rng(s)),
            images,
        )
        for s in range(300)
    ]
    assert np.mean(changed) == pytest.approx(0.8, abs=0.07)


def test_entropy_is_over_classes() -> None:
    """A certain prediction has none; a uniform one log C (published code: over image rows)."""
    certain = torch.zeros(1, 4, 3, 5)
    certain[:, 2] = 100
    assert entropy(certain).item() == pytest.approx(0, abs=1e-6)
    assert entropy(torch.zeros(1, 4, 3, 5)).item() == pytest.approx(math.log(4))


def test_cross_entropy_averages_over_all_pixels() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn((2, 4, 3, 3), generator=generator)
    labels = torch.randint(0, 4, (2, 6, 6), generator=generator)
    labels[0, :2] = 255
    weights = torch.rand((2, 6, 6), generator=generator)
    probabilities = upsample(logits, (6, 6)).log_softmax(1)
    total = 0.0
    for b in range(2):
        for y in range(6):
            for x in range(6):
                c = labels[b, y, x]
                if c != 255:
                    total -= (weights[b, y, x] * probabilities[b, c, y, x]).item()
    assert weighted_cross_entropy(logits, labels, weights).item() == pytest.approx(total / 72)


def test_labels_are_downsampled_by_clear_majorities() -> None:
    labels = torch.full((1, 8, 8), 2)
    labels[0, :4, :4] = 1
    labels[0, 0, 0] = 3  # 15 of 16 are 1
    labels[0, :4, 4:6] = 0  # half 0, half 2: unclear
    labels[0, 4:, :4] = 255
    small = downsample_labels(labels, (2, 2), least_share=0.75, ignored_class=5)
    assert small.tolist() == [[[1, 255], [255, 2]]]


def test_feature_distance_looks_at_its_classes_only() -> None:
    labels = torch.full((1, 8, 8), 2)
    labels[0, :, :4] = 1
    features, reference = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    features[..., 0] = torch.tensor([3.0, 4.0, 0.0])[None, :, None]
    features[..., 1] = 100.0
    distance = feature_distance(
        features, reference, labels, classes=torch.tensor([1]), ignored_class=5
    )
    assert distance.item() == pytest.approx(5.0)


def test_feature_distance_of_nothing_is_nothing() -> None:
    """The published code gives NaN."""
    features = torch.rand(1, 3, 2, 2, requires_grad=True)
    distance = feature_distance(
        features, torch.zeros(1, 3, 2, 2), torch.full((1, 8, 8), 255),
        classes=torch.tensor([1]), ignored_class=5,
    )  # fmt: skip
    distance.backward()
    assert distance.item() == 0
    assert (features.grad == 0).all()


def test_feature_distance_at_zero_has_a_finite_gradient() -> None:
    features = torch.ones(1, 3, 2, 2, requires_grad=True)
    feature_distance(
        features, torch.ones(1, 3, 2, 2), torch.full((1, 8, 8), 1),
        classes=torch.tensor([1]), ignored_class=5,
    ).backward()  # fmt: skip
    assert torch.isfinite(features.grad).all()
