"""Adapters of two ranks (kind vida): their formula, their ranks, and that they merge."""

from __future__ import annotations

import pytest
import torch
from adapter_cases import adapted, wake
from networks import network, picture
from torch import nn
from torch.nn import functional as F

from driftseg.errors import InputError
from driftseg.models.adapters import adapter_spec, attach, merge_adapters
from driftseg.models.adapters.by_pattern import attach_by_pattern, merge_by_pattern
from driftseg.models.adapters.dual_rank import DualRankLinear, dual_ranks_of, factors
from driftseg.models.encoders.sites import adapter_names, adapters_of
from driftseg.models.segmenter import build_segmenter

ENCODERS = ("tiny_mit", "tiny_swin", "tiny_lite")


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_sum_of_the_layer_and_both_branches() -> None:
    """By hand: W x + l (U_l D_l x) + h (U_h D_h x), on the chosen half of the rows."""
    base = nn.Linear(6, 10)
    layer = DualRankLinear(base, ("key", "value"), ("value",), ranks=(1, 3))
    adapter = layer.updates["value"]
    for parameter in adapter.parameters():
        nn.init.normal_(parameter, generator=drawn(1))
    x = torch.randn(2, 7, 6, generator=drawn(2))
    low, high = (
        x @ getattr(adapter, f"{branch}_down").weight.T @ getattr(adapter, f"{branch}_up").weight.T
        for branch in ("low", "high")
    )
    plain = F.linear(x, base.weight, base.bias)
    with factors([adapter], 0.7, 1.3):
        inside = layer(x)
    assert torch.equal(inside[..., :5], plain[..., :5])
    assert torch.allclose(inside[..., 5:], plain[..., 5:] + 0.7 * low + 1.3 * high, atol=1e-5)
    assert torch.allclose(layer(x)[..., 5:], plain[..., 5:] + low + high, atol=1e-5)


def test_the_factors_are_one_again_also_after_an_error() -> None:
    model = adapted("mit_b0", "vida", "block")
    found = dual_ranks_of(model)

    def fail() -> None:
        with factors(found, 0.5, 1.5):
            assert {(a.low_factor, a.high_factor) for a in found} == {(0.5, 1.5)}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert {(a.low_factor, a.high_factor) for a in found} == {(1.0, 1.0)}


def test_a_rank_is_at_most_what_the_layer_allows() -> None:
    """Keys and values are maps of their own; of a convolution its numbers of channels count."""
    model = network("mit_b0")
    attach(model, adapter_spec("vida"), drawn())
    for _, adapter in adapters_of(model):
        channels, rows = adapter.low_down.in_features, adapter.low_up.out_features
        assert adapter.low_down.out_features == 1
        assert adapter.high_down.out_features == min(128, channels, rows)
    attention = model.encoder.stages[0].blocks[0].attention
    assert list(attention.key_value.updates) == ["key", "value"]
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 200, 1), nn.Linear(300, 200))
    assert attach_by_pattern(module, adapter_spec("vida"), ["*"], drawn()) == 3
    assert [len(a.high_down.weight) for a in dual_ranks_of(module)] == [3, 8, 128]


def test_first_values_are_normal_below_and_zero_above() -> None:
    with torch.random.fork_rng():
        model = build_segmenter("mit_b1", classes=2)
    attach(model, adapter_spec("vida", stages=[4], high_rank=16), drawn())
    low = torch.cat([a.low_down.weight.detach().flatten() for a in dual_ranks_of(model)])
    high = torch.cat([a.high_down.weight.detach().flatten() for a in dual_ranks_of(model)])
    assert float(low.std()) == pytest.approx(1.0, rel=0.05)
    assert float(high.std()) == pytest.approx(1 / 16**2, rel=0.05)
    assert not any(a.low_up.weight.any() or a.high_up.weight.any() for a in dual_ranks_of(model))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_merged_it_computes_the_same(encoder: str) -> None:
    model, base = adapted(encoder, "vida", "block").double(), network(encoder).double()
    wake(model, size=0.03)
    merged, images = merge_adapters(model), picture().double()
    assert [type(m) for m in merged.modules()] == [type(m) for m in base.modules()]
    assert list(merged.state_dict()) == list(base.state_dict())
    with torch.no_grad():
        one, two, three = model(images), merged(images), base(images)
    assert torch.allclose(one, two, rtol=0, atol=1e-10 * float(one.abs().max()))
    assert not torch.allclose(one, three)


def test_a_module_of_anybody_is_merged_too() -> None:
    """Also where a kernel has strides, holes and padding."""
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 5, 3, dilation=2, padding=2, padding_mode="replicate"),
    ).double()  # fmt: skip
    images = picture().double()
    before = module(images)
    assert attach_by_pattern(module, adapter_spec("vida"), ["*"], drawn()) == 2  # not the grouped
    assert torch.equal(module(images), before)
    for name in adapter_names(module):
        nn.init.normal_(module.get_parameter(name), std=0.1, generator=drawn(3))
    woken = module(images)
    assert not torch.allclose(woken, before)
    merge_by_pattern(module)
    assert not adapter_names(module)
    assert torch.allclose(module(images), woken, atol=1e-12)


def test_targets_choose_the_layers() -> None:
    names = adapter_names(adapted("mit_b0", "vida", "block", stages=[4], targets=("query",)))
    assert names
    assert all(".attention.query." in name for name in names)
    names = adapter_names(adapted("efficientnet_lite0", "vida", "block", targets=("expand",)))
    assert names
    assert all(".expand_adapter." in name for name in names)
    wanted = "expected names of layers of this encoder, got query. To fix: .* of contract, expand"
    with pytest.raises(InputError, match=wanted):
        adapted("efficientnet_lite0", "vida", "block", targets=("query",))


def test_ranks_must_be_whole_numbers() -> None:
    with pytest.raises(InputError, match="high_rank: expected a whole number from 1 on, got 0"):
        adapter_spec("vida", high_rank=0)
    with pytest.raises(InputError, match=r"settings of vida \(rank, high_rank, targets\)"):
        adapter_spec("vida", dropout=0.1)
