"""LoRA: merged it computes the same, and it agrees with peft."""

from __future__ import annotations

import pytest
import torch
from adapter_cases import adapted, wake
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network, picture
from torch import nn

from driftseg.errors import InputError
from driftseg.models.adapters import merge_adapters
from driftseg.models.adapters.lora import LoraLinear
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.trainable import freeze_except, trainable_names
from tiny_networks import TINY_ENCODER


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 99),
    targets=st.sets(
        st.sampled_from(["query", "key", "value", "projection", "expand", "contract"]), min_size=1
    ),
    alpha=st.floats(0.5, 32),
    encoder=st.sampled_from([TINY_ENCODER, "tiny_swin"]),
)
def test_merged_lora_computes_the_same(
    seed: int, targets: set[str], alpha: float, encoder: str
) -> None:
    model = adapted(encoder, "lora", "block", seed=seed, targets=tuple(targets), alpha=alpha)
    wake(model, seed, size=0.03)
    images, base = picture(seed), network(encoder, seed=seed)
    merged = merge_adapters(model)
    assert [type(m) for m in merged.modules()] == [type(m) for m in base.modules()]
    assert list(merged.state_dict()) == list(base.state_dict())
    assert not adapter_names(merged)
    assert merged.adapters is None
    assert model.adapters is not None
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        model, base, images = model.to(dtype), base.to(dtype), images.to(dtype)
        with torch.no_grad():
            one, two, three = model(images), merge_adapters(model)(images), base(images)
        largest = float(one.abs().max())
        assert torch.allclose(one, two, rtol=0, atol=tolerance * largest)
    assert float((one - three).abs().max()) > 1e-7 * largest  # an update of queries does little


def test_merging_leaves_modes_and_what_is_trainable() -> None:
    model = adapted("mit_b0", "lora", "block", targets=("query", "value"), stages=[2, 3])
    freeze_except(model, trainable_names(model, ["encoder.stage2"]))  # stage 3 rests in eval
    merged = merge_adapters(model)
    assert [p.requires_grad for n, p in merged.named_parameters()] == [
        p.requires_grad for n, p in model.named_parameters() if n not in adapter_names(model)
    ]
    modes = {name: module.training for name, module in model.named_modules()}
    assert {True, False} == set(modes.values())
    for name, module in merged.named_modules():
        assert module.training == modes[name], name


def test_what_is_not_linear_cannot_be_merged() -> None:
    with pytest.raises(
        InputError,
        match=r"adapters: expected linear adapters \(lora or vida\) to "
        "merge into the network, got convpass",
    ):
        merge_adapters(adapted("mit_b0", "convpass", "block"))


class Separate(nn.Module):
    """Query, key and value as three linear layers with the values of one attention."""

    def __init__(self, query: LoraLinear, key_value: LoraLinear):
        super().__init__()
        weights = [query.weight, *key_value.weight.chunk(2)]
        biases = [query.bias, *key_value.bias.chunk(2)]
        for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight = nn.Parameter(weight.detach().clone())
            linear.bias = nn.Parameter(bias.detach().clone())
            setattr(self, name, linear)


def test_lora_agrees_with_peft() -> None:
    """The same weights in float64: outputs and gradients."""
    peft = pytest.importorskip("peft")
    model = adapted(
        "mit_b0", "lora", "block", targets=("query", "key", "value"), rank=3, alpha=5, dropout=0.0
    ).double()
    wake(model)
    attention = model.encoder.stages[2].blocks[1].attention
    theirs = peft.inject_adapter_in_model(
        peft.LoraConfig(r=3, lora_alpha=5, target_modules=["query", "key", "value"]),
        Separate(attention.query, attention.key_value).double(),
    )
    ours = {**attention.query.updates, **attention.key_value.updates}
    with torch.no_grad():
        for name, update in ours.items():
            layer = getattr(theirs, name)
            layer.lora_A["default"].weight.copy_(update.down.weight)
            layer.lora_B["default"].weight.copy_(update.up.weight)
    x = torch.randn(2, 7, 160, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mine = torch.cat([attention.query(x), attention.key_value(x)], dim=-1)
    other = torch.cat([getattr(theirs, name)(x) for name in ("query", "key", "value")], dim=-1)
    assert torch.allclose(mine, other, rtol=1e-12, atol=1e-12)
    mine.square().sum().backward()
    other.square().sum().backward()
    for name, update in ours.items():
        layer = getattr(theirs, name)
        assert torch.allclose(update.down.weight.grad, layer.lora_A["default"].weight.grad)
        assert torch.allclose(update.up.weight.grad, layer.lora_B["default"].weight.grad)
