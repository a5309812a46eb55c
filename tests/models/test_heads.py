"""The re-associated head against the published form, and the norm's statistics policy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from driftseg.models.heads import MlpHead
from driftseg.models.norm import BatchNorm
from driftseg.models.segmenter import probabilities

CHANNELS = (8, 16, 20, 24)
WIDTH, CLASSES = 12, 5


def published(head: MlpHead, levels: list[Tensor], keep: Tensor | None = None) -> Tensor:
    """SegFormer's head as its paper draws it, with the concatenation order [c1, c2, c3, c4].

    ``keep`` (B, E) multiplies whole channels before the classifier, as dropout does.
    """
    size = levels[0].shape[-2:]
    embedded = []
    for level, embed in zip(levels, head.embed, strict=True):
        tokens = level.flatten(2).transpose(1, 2)
        grid = embed(tokens).transpose(1, 2).unflatten(2, level.shape[-2:])
        embedded.append(F.interpolate(grid, size=size, mode="bilinear", align_corners=False))
    fused = F.conv2d(torch.cat(embedded, dim=1), head.fuse.weight)
    norm = head.norm
    stored = norm.statistics == "stored"
    normed = F.batch_norm(
        fused,
        norm.running_mean if stored else None,
        norm.running_var if stored else None,
        norm.weight,
        norm.bias,
        training=not stored,
        eps=norm.eps,
    )
    x = F.relu(normed)
    if keep is not None:
        x = x * keep[:, :, None, None]
    return F.conv2d(x, head.classifier.weight, head.classifier.bias)


def make_head(dtype: torch.dtype, channels: tuple[int, ...] = CHANNELS) -> MlpHead:
    head = MlpHead(channels, width=WIDTH, classes=CLASSES).to(dtype).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, tensor in head.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            draw = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                draw = 0.5 + draw.abs()
            tensor.copy_(draw * 0.5)
    return head


def make_levels(dtype: torch.dtype, height: int = 12, width: int = 17) -> list[Tensor]:
    generator = torch.Generator().manual_seed(4)
    levels = []
    for index, channels in enumerate(CHANNELS):
        size = (-(-height // 2**index), -(-width // 2**index))
        draw = torch.randn((2, channels, *size), generator=generator, dtype=torch.float64)
        levels.append(draw.to(dtype).requires_grad_())
    return levels


def assert_equal_to_scale(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    """Equal relative to the largest entry."""
    assert_close(ours, theirs, rtol=0, atol=tolerance * theirs.detach().abs().max().item())


@pytest.mark.parametrize("statistics", ["stored", "batch"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["f32", "f64"]
)
@pytest.mark.parametrize("count", [1, 4], ids=["early", "full"])
def test_equals_the_published_form_with_all_gradients(
    statistics: str, dtype: torch.dtype, tolerance: float, count: int
) -> None:
    head = make_head(dtype, CHANNELS[:count])
    head.norm.statistics = statistics
    levels = make_levels(dtype)[:count]
    direction = torch.randn((2, CLASSES, 12, 17), generator=torch.Generator()).to(dtype)
    leaves = [*head.parameters(), *levels]

    mine, theirs = head(levels), published(head, levels)
    assert_equal_to_scale(mine, theirs, tolerance)
    my_gradients = torch.autograd.grad((mine * direction).sum(), leaves)
    their_gradients = torch.autograd.grad((theirs * direction).sum(), leaves)
    largest = max(float(gradient.abs().max()) for gradient in their_gradients)
    for mine, theirs in zip(my_gradients, their_gradients, strict=True):
        # with batch statistics the embeddings' biases have gradients that are sums of zeros
        scale = max(float(theirs.abs().max()), 1e-2 * largest)
        assert_close(mine, theirs, rtol=0, atol=10 * tolerance * scale)


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 21), width=st.integers(1, 21))
def test_equals_the_published_form_at_any_size(height: int, width: int) -> None:
    head = make_head(torch.float64)
    levels = make_levels(torch.float64, height, width)
    assert_equal_to_scale(head(levels), published(head, levels), 1e-12)


def test_dropout_drops_the_same_channels_as_the_published_form() -> None:
    head = make_head(torch.float64).train()
    head.dropout = 0.4
    levels = make_levels(torch.float64)
    head.generator = torch.Generator().manual_seed(9)
    draw = torch.rand((2, WIDTH), generator=torch.Generator().manual_seed(9))
    keep = (draw >= 0.4).double() / 0.6
    assert 0 < int((keep == 0).sum()) < keep.numel()
    assert_equal_to_scale(head(levels), published(head, levels, keep), 1e-12)


def test_dropout_rests_in_eval_and_keeps_the_mean_in_training() -> None:
    head = make_head(torch.float64)
    x = torch.ones((4, WIDTH, 3, 3), dtype=torch.float64)
    assert head._drop_channels(x) is x
    head.train()
    head.generator = torch.Generator().manual_seed(0)
    dropped = torch.stack([head._drop_channels(x) for _ in range(500)])
    assert set(dropped.unique().tolist()) == {0.0, 1 / 0.9}
    assert torch.equal(dropped.amin(dim=(-2, -1)), dropped.amax(dim=(-2, -1)))
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)


@pytest.fixture
def norms() -> tuple[BatchNorm, nn.BatchNorm2d]:
    """Ours and torch's with the same affine and the same statistics."""
    ours, theirs = BatchNorm(3, 1e-3, 0.2), nn.BatchNorm2d(3, 1e-3, 0.2)
    with torch.no_grad():
        for name, tensor in theirs.state_dict().items():
            if name != "num_batches_tracked":
                tensor.copy_(torch.rand(3, generator=torch.Generator().manual_seed(len(name))))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


X = torch.randn((4, 3, 5, 6), generator=torch.Generator().manual_seed(8)) * 2 + 1


def state(norm: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in norm.state_dict().items()}


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_stored_statistics_are_torchs_eval_mode(
    norms: tuple[BatchNorm, nn.BatchNorm2d], mode: bool
) -> None:
    ours, theirs = norms
    before = state(ours)
    ours.train(mode)
    assert torch.equal(ours(X), theirs.eval()(X))
    assert_close(state(ours), before, rtol=0, atol=0)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_batch_statistics_are_torchs_train_mode_without_its_traces(
    norms: tuple[BatchNorm, nn.BatchNorm2d], mode: bool
) -> None:
    ours, theirs = norms
    before = state(ours)
    ours.statistics = "batch"
    ours.train(mode)
    assert torch.equal(ours(X), theirs.train()(X))
    assert_close(state(ours), before, rtol=0, atol=0)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_update_is_torchs_train_mode(norms: tuple[BatchNorm, nn.BatchNorm2d], mode: bool) -> None:
    ours, theirs = norms
    ours.statistics = "update"
    ours.train(mode)
    theirs.train()
    for scale in (1, 3):
        assert torch.equal(ours(X * scale), theirs(X * scale))
    assert_close(state(ours), state(theirs), rtol=0, atol=0)
    assert int(ours.num_batches_tracked) == 2


def test_probabilities_are_kept_as_half_precision() -> None:
    """Of the first image, on the head's grid; no gradient is needed."""
    logits = torch.tensor([[0.0, 1.0], [2.0, -3.0]]).reshape(2, 2, 1, 1).requires_grad_()
    found = probabilities(logits)
    assert (found.dtype, found.shape) == (np.float16, (2, 1, 1))
    expected = np.array([1 / (1 + math.e), math.e / (1 + math.e)])
    assert found.ravel() == pytest.approx(expected, abs=1e-3)
