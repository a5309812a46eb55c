"""Cross-entropy at full size without full size, against the plain formulation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from driftseg.labels import IGNORE
from driftseg.learners.parts.losses import weighted_cross_entropy

SIZES = [
    ((6, 8), (24, 32)), ((5, 7), (20, 28)), ((4, 6), (12, 6)), ((3, 3), (6, 15)),
    ((1, 1), (4, 4)), ((6, 8), (6, 8)), ((6, 8), (25, 32)), ((6, 8), (24, 30)), ((6, 8), (3, 8)),
]  # fmt: skip


def plain(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    size = tuple(labels.shape[1:])
    upsampled = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    loss = F.cross_entropy(upsampled, labels, ignore_index=IGNORE, reduction="none")
    return (loss if weights is None else loss * weights).mean()


def case(
    grid: tuple[int, int], size: tuple[int, int], dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn((2, 5, *grid), generator=generator, dtype=dtype)
    labels = torch.randint(0, 6, (2, *size), generator=generator)
    weights = torch.rand((2, *size), generator=generator, dtype=dtype)
    return logits, torch.where(labels == 5, IGNORE, labels), weights


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weighted", [True, False])
def test_logits_of_autocast_are_summed_in_32_bits(kind: torch.dtype, weighted: bool) -> None:
    logits, labels, weights = case((6, 8), (24, 32), torch.float32)
    short = logits.to(kind).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = weighted_cross_entropy(short, labels, weights if weighted else None)
    assert loss.dtype == torch.float32
    wanted = plain(short.detach().float(), labels, weights if weighted else None)
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=0)
    loss.backward()
    assert bool(short.grad.abs().sum() > 0)


@pytest.mark.parametrize(("grid", "size"), SIZES)
@pytest.mark.parametrize("weighted", [True, False])
def test_value_and_gradient_are_the_plain_ones(
    grid: tuple[int, int], size: tuple[int, int], weighted: bool
) -> None:
    logits, labels, weights = case(grid, size)
    given = weights if weighted else None
    values, gradients = [], []
    for loss in (plain, weighted_cross_entropy):
        leaf = logits.clone().requires_grad_()
        value = 7 * loss(leaf, labels, given)
        value.backward()
        values.append(value.detach())
        gradients.append(leaf.grad)
    torch.testing.assert_close(values[1], values[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-12)
    assert gradients[1].abs().max() > 0


def test_in_single_precision_and_with_channels_last() -> None:
    logits, labels, weights = case((8, 8), (32, 32), torch.float32)
    last = logits.contiguous(memory_format=torch.channels_last)
    expected = plain(logits.double(), labels, weights.double())
    for given in (logits, last):
        value = weighted_cross_entropy(given, labels, weights)
        torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=0)


def test_without_any_label_the_loss_is_nought() -> None:
    logits, labels, weights = case((6, 8), (24, 32))
    leaf = logits.requires_grad_()
    loss = weighted_cross_entropy(leaf, torch.full_like(labels, IGNORE), weights)
    loss.backward()
    assert loss == 0
    assert (leaf.grad == 0).all()


def test_no_graph_where_no_gradient_is_wanted() -> None:
    logits, labels, weights = case((6, 8), (24, 32))
    torch.testing.assert_close(
        weighted_cross_entropy(logits, labels, weights), plain(logits, labels, weights)
    )
    with torch.no_grad():
        loss = weighted_cross_entropy(logits.requires_grad_(), labels, weights)
    assert not loss.requires_grad


@pytest.mark.parametrize("position", [(0, 0), (3, 5), (23, 31)])
def test_a_score_that_is_not_finite_shows(position: tuple[int, int]) -> None:
    logits, labels, weights = case((6, 8), (24, 32))
    logits[0, 2, position[0] // 4, position[1] // 4] = float("nan")
    assert torch.isnan(weighted_cross_entropy(logits, labels, weights))
