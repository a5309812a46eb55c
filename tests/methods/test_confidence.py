"""Weights of pseudo-labels: every rule against its formula."""

from __future__ import annotations

import copy

import pytest
import torch

from driftseg.labels import IGNORE
from driftseg.learners.parts.confidence import (
    RelativeThreshold,
    SelfAdaptingThresholds,
    Thresholds,
    where_labelled,
)


def probabilities(seed: int = 0, classes: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(1, classes, 8, 10, generator=generator)).softmax(dim=1)


def test_published_rule_gives_all_pixels_the_passing_share() -> None:
    p = probabilities()
    weights = Thresholds([0.8]).weights(p, 1.0)
    share = (p.amax(1) >= 0.8).float().mean()
    assert torch.equal(weights, torch.full((1, 8, 10), share.item()))


def test_weights_of_single_pixels_by_class() -> None:
    p = probabilities()
    limits = [0.5, 0.9, 1.1]
    weights = Thresholds(limits, weigh="pixels").weights(p, 1.0)
    confidence, labels = p.max(1)
    assert torch.equal(weights, (confidence >= torch.tensor(limits)[labels]).float())
    assert (weights[labels == 2] == 0).all()  # a class that is never believed


def test_relative_threshold_follows_the_source() -> None:
    p = probabilities()
    rule = RelativeThreshold(0.9, weigh="pixels")
    for source in (0.5, 0.9):
        assert torch.equal(rule.weights(p, source), (p.amax(1) >= 0.9 * source).float())


def test_self_adapting_thresholds_are_freematchs() -> None:
    rule = SelfAdaptingThresholds(momentum=0.9)
    first, second = probabilities(0), probabilities(1)
    rule.weights(first, 1.0)
    weights = rule.weights(second, 1.0)
    overall = 0.9 * first.amax(1).mean() + 0.1 * second.amax(1).mean()
    classes = 0.9 * first.mean((0, 2, 3)) + 0.1 * second.mean((0, 2, 3))
    limits = overall * classes / classes.max()
    confidence, labels = second.max(1)
    assert torch.equal(weights, (confidence >= limits[labels]).float())


def test_exact_continuation() -> None:
    whole = SelfAdaptingThresholds(momentum=0.9)
    whole.weights(probabilities(0), 1.0)
    other = SelfAdaptingThresholds(momentum=0.9)
    other.load_state_dict(copy.deepcopy(whole.state_dict()))
    p = probabilities(3)
    assert torch.equal(whole.weights(p, 1.0), other.weights(p, 1.0))


def test_loaded_averages_go_where_the_probabilities_are() -> None:
    """A file's tensors lie on the CPU whatever the device. Kind stands for place here."""
    whole = SelfAdaptingThresholds(momentum=0.9)
    whole.weights(probabilities(0), 1.0)
    state = {name: tensor.double() for name, tensor in whole.state_dict().items()}
    other = SelfAdaptingThresholds(momentum=0.9)
    other.load_state_dict(state)
    p = probabilities(3)
    assert torch.equal(whole.weights(p, 1.0), other.weights(p, 1.0))
    assert {tensor.dtype for tensor in other.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    "rule", [Thresholds([0.8]), RelativeThreshold(0.9), SelfAdaptingThresholds(momentum=0.9)]
)
def test_weights_can_be_changed_in_place(rule) -> None:
    """Rows are ignored by writing zeros: one stored number behind all pixels would not do."""
    weights = rule.weights(probabilities(), 0.9)
    weights[:, :2] = 0
    assert (weights[:, :2] == 0).all()
    assert weights[:, 2:].sum() > 0


@pytest.mark.parametrize("size", [(32, 40), (35, 43), (31, 38), (29, 37)])
def test_confidence_where_labelled_takes_the_nearest_labels(size: tuple[int, int]) -> None:
    """Also where the grid does not divide the size: labels of the edge are cells of the edge."""
    logits = torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 3, (2, *size), generator=torch.Generator().manual_seed(1))
    labels[:, size[0] // 2 :] = IGNORE
    labels[:, :, size[1] - 4 :] = 0  # the last column of cells is labelled from top to bottom
    nearest = torch.nn.functional.interpolate(labels[:, None].double(), size=(8, 10))[:, 0]
    confidence = logits.softmax(1).amax(1)
    expected = confidence[nearest != IGNORE].mean()
    assert where_labelled(logits, labels) == pytest.approx(float(expected), rel=1e-6)


def test_confidence_of_nothing_labelled_is_nothing() -> None:
    labels = torch.full((1, 9, 9), IGNORE)
    assert where_labelled(torch.randn(1, 3, 2, 2), labels) == 0
