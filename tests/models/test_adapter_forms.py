"""What each kind of adapter computes and begins with, against its formula written out again."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from driftseg.models.adapters.forms import AdaptFormer, Bottleneck, Convolution, Convpass
from driftseg.models.adapters.lora import LoraLinear, LowRank
from driftseg.models.adapters.spec import KINDS, adapter_spec
from driftseg.models.encoders.sites import Branch

HEIGHT, WIDTH, CHANNELS, INNER = 3, 5, 6, 4


class Halved(nn.Module):
    """Stands for drop path: shows which terms pass through it, and that they do so once."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x


def branch() -> Branch:
    generator = torch.Generator().manual_seed(1)
    shape = (2, HEIGHT * WIDTH, CHANNELS)
    x, normed, output = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    return Branch(x, normed, output, Halved(), HEIGHT, WIDTH)


def grid() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn((2, CHANNELS, HEIGHT, WIDTH), generator=generator, dtype=torch.float64)


def awake(adapter: nn.Module) -> nn.Module:
    """Every parameter random, none of them 0."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return adapter.double().eval()


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    """Of the last dimension, by the matrix of a linear layer or of a 1x1 convolution."""
    return x @ layer.weight.flatten(1).T + layer.bias


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def dropped(adapter: nn.Module, rate: float) -> list[nn.Module]:
    """Sets the rate of its dropout and a seed; the layer that reads what is left."""
    adapter.dropout.rate = rate
    adapter.dropout.generator = torch.Generator().manual_seed(5)
    return adapter.train()


def keep(shape: torch.Size, rate: float) -> Tensor:
    draw = torch.rand(shape, generator=torch.Generator().manual_seed(5)).double()
    assert (draw < rate).any()
    return (draw >= rate) / (1 - rate)


@pytest.mark.parametrize("learnable", [True, False])
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_adaptformer(learnable: bool, rate: float) -> None:
    """Fed with what comes before the norm; drop path is for the feed-forward part alone."""
    adapter = AdaptFormer(CHANNELS, INNER, dropout=0, scale=0.3, learnable_scale=learnable)
    assert torch.as_tensor(adapter.scale).item() == pytest.approx(0.3)
    adapter = awake(adapter)
    scale = adapter.scale if learnable else 0.3
    assert isinstance(adapter.scale, nn.Parameter) == learnable
    at, adapter = branch(), dropped(adapter, rate)
    hidden = linear(adapter.down, at.x).clamp(min=0)
    hidden = hidden * keep(hidden.shape, rate) if rate else hidden
    assert_close(adapter(at), at.x + 0.5 * at.output + scale * linear(adapter.up, hidden))


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_bottleneck(activation: str, rate: float) -> None:
    """Behind the feed-forward part: what it adds goes through drop path together with that."""
    adapter = awake(
        Bottleneck(
            CHANNELS, INNER, activation=activation, dropout=0, scale=0.3, learnable_scale=False
        )
    )
    act = {"relu": lambda x: x.clamp(min=0), "gelu": lambda x: x * _normal_cdf(x)}[activation]
    adapter = dropped(adapter, rate)

    def added(h: Tensor) -> Tensor:
        adapter.dropout.generator.manual_seed(5)
        hidden = act(linear(adapter.down, h))
        hidden = hidden * keep(hidden.shape, rate) if rate else hidden
        return 0.3 * linear(adapter.up, hidden)

    at = branch()
    wanted = at.x + 0.5 * (at.output + added(at.output))
    adapter.dropout.generator.manual_seed(5)
    assert_close(adapter(at), wanted)
    wanted = tokens(grid()) + added(tokens(grid()))
    adapter.dropout.generator.manual_seed(5)
    assert_close(tokens(adapter(grid())), wanted)


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_convpass(rate: float) -> None:
    """Fed with the norm's output, convolved over the rows and columns of the grid."""
    adapter = dropped(awake(Convpass(CHANNELS, INNER, dropout=0, scale=0.3)), rate)
    at = branch()
    hidden = _quick_gelu(linear(adapter.down, at.normed))
    hidden = hidden.transpose(1, 2).unflatten(2, (HEIGHT, WIDTH))
    weight, bias = adapter.convolution.weight, adapter.convolution.bias
    hidden = _quick_gelu(tokens(F.conv2d(hidden, weight, bias, padding=1)))
    hidden = hidden * keep(hidden.shape, rate) if rate else hidden
    wanted = at.x + 0.5 * at.output + 0.3 * 0.5 * linear(adapter.up, hidden)
    assert_close(adapter(at), wanted)


@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_convolution(depthwise: bool, activation: str, rate: float) -> None:
    adapter = awake(
        Convolution(
            CHANNELS, INNER, depthwise=depthwise, activation=activation, dropout=0, scale=0.3
        )
    )
    adapter, x = dropped(adapter, rate), grid()
    hidden = linear(adapter.down, tokens(x)).transpose(1, 2).unflatten(2, (HEIGHT, WIDTH))
    weight, bias = adapter.convolution.weight, adapter.convolution.bias
    assert weight.shape == (INNER, 1 if depthwise else INNER, 3, 3)
    hidden = F.conv2d(hidden, weight, bias, padding=1, groups=INNER if depthwise else 1)
    hidden = hidden.clamp(min=0) if activation == "relu" else hidden * _normal_cdf(hidden)
    hidden = hidden * keep(hidden.shape, rate) if rate else hidden
    assert_close(tokens(adapter(x)), tokens(x) + 0.3 * linear(adapter.up, tokens(hidden)))


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_lora(rate: float) -> None:
    """Each update on its own rows; dropout is of its input, as in peft."""
    base = awake(nn.Linear(CHANNELS, 2 * INNER))
    layer = LoraLinear(base, ("key", "value"), ("value",), rank=3, alpha=6, dropout=rate)
    assert list(layer.updates) == ["value"]
    update = dropped(awake(layer.updates["value"]), rate)
    x = branch().x
    given = x * keep(x.shape, rate) if rate else x
    added = 6 / 3 * given @ update.down.weight.T @ update.up.weight.T
    wanted = linear(base, x) + F.pad(added, (INNER, 0))
    assert_close(layer(x), wanted)


def made(kind: str) -> nn.Module:
    """64 channels to 32 and back."""
    if kind == "lora":
        return LowRank(64, 64, rank=32, alpha=8, dropout=0)
    if kind == "adaptformer":
        return AdaptFormer(64, 32, dropout=0, scale=0.1, learnable_scale=False)
    if kind == "convpass":
        return Convpass(64, 32, dropout=0, scale=1.0)
    if kind == "convolution":
        return Convolution(64, 32, depthwise=True, activation="relu", dropout=0, scale=1.0)
    return Bottleneck(64, 32, activation="relu", dropout=0, scale=1.0, learnable_scale=False)


@pytest.mark.parametrize("kind", KINDS)
def test_initial_values(kind: str) -> None:
    """Uniform within the published bound, from the generator that is handed in."""
    adapter = made(kind)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.fill_(7)
    adapter.reset(torch.Generator().manual_seed(0))
    first = {n: p.detach().clone() for n, p in adapter.named_parameters()}
    adapter.reset(torch.Generator().manual_seed(1))
    assert not torch.equal(first["down.weight"], adapter.down.weight)
    # Kaiming with a = sqrt(5): 1 / sqrt(fan in). Xavier: sqrt(6 / (fan in + fan out))
    bound = math.sqrt(6 / (64 + 32)) if kind == "convpass" else 1 / math.sqrt(64)
    assert_uniform(first["down.weight"], bound)
    if kind == "convolution":
        assert_uniform(first["convolution.weight"], 1 / math.sqrt(9))
    for name, tensor in first.items():
        if name.startswith("up.") or name.endswith("bias"):
            assert not tensor.any(), name
    assert set(adapter.silent) == {n for n in first if n.startswith("up.")}


def test_defaults_are_the_published_ones() -> None:
    """Chen et al.: 64, .1, .1. Pfeiffer et al.: a 16th, ReLU. Jie and Deng: 8, .1. peft: 8, 8."""
    spec = adapter_spec("adaptformer")
    assert (spec.width, spec.scale, spec.dropout, spec.learnable_scale) == (64, 0.1, 0.1, False)
    spec = adapter_spec("bottleneck")
    assert (spec.ratio, spec.activation, spec.scale, spec.dropout) == (1 / 16, "relu", 1, 0)
    spec = adapter_spec("convpass")
    assert (spec.width, spec.scale, spec.dropout) == (8, 1, 0.1)
    spec = adapter_spec("lora")
    assert (spec.rank, spec.alpha, spec.dropout, spec.targets) == (8, 8, 0, ("query", "value"))


def assert_uniform(tensor: Tensor, bound: float) -> None:
    assert float(tensor.abs().max()) <= bound
    assert float(tensor.abs().max()) > 0.95 * bound
    assert float(tensor.std()) == pytest.approx(bound / math.sqrt(3), rel=0.08)


def _quick_gelu(x: Tensor) -> Tensor:
    return x / (1 + (-1.702 * x).exp())


def _normal_cdf(x: Tensor) -> Tensor:
    return (1 + torch.erf(x / math.sqrt(2))) / 2
