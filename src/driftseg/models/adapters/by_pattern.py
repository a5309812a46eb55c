"""Adapters in a foreign network, on its Linear and Conv2d layers by name.

The structure of such a network is unknown, so the user names the places by shell patterns of module
names. A layer keeps its weight and bias under their names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any, final

import torch
from torch import Tensor, nn

from driftseg.errors import InputError, commas
from driftseg.models.adapters.dual_rank import DualRank, DualRankLinear, beside_convolution
from driftseg.models.adapters.forms import Convolution
from driftseg.models.adapters.lora import LoraLinear, UpdatedLinear
from driftseg.models.adapters.spec import LINEAR, AdapterSpec
from driftseg.models.encoders.sites import Adapter, Target, adapters_of
from driftseg.models.encoders.stages import Dropout

ONE: tuple[Target, ...] = ("projection",)
"""The only map of a linear layer that does not stack several maps."""
SHAPE = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
         "padding_mode")  # fmt: skip
"""Names of the arguments that make a convolution's shape."""


@final
class LowRankConvolution(Adapter):
    """The update (alpha / r) W_up * W_down of a convolution: its kernel to r channels, then 1x1."""

    silent = ("up.weight",)

    def __init__(self, base: nn.Conv2d, *, rank: int, alpha: float, dropout: float):
        super().__init__()
        self.dropout = Dropout(dropout)
        shape = {**_shape(base), "out_channels": rank, "bias": False, "device": None}
        self.down = nn.Conv2d(**shape)
        self.up = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        self.scale = alpha / rank

    def reset(self, generator: torch.Generator) -> None:
        """Kaiming uniform with a = sqrt(5) below, 0 above."""
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5), generator=generator)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, h, w)."""
        result: Tensor = self.scale * self.up(self.down(self.dropout(x)))
        return result

    def update(self) -> Tensor:
        """The update of the kernel, (out, in, k, k)."""
        return self.scale * torch.einsum("or,rikl->oikl", self.up.weight[:, :, 0, 0],
                                         self.down.weight)  # fmt: skip


class AdaptedConvolution(nn.Conv2d):
    """A convolution with an adapter in parallel (linear) or after it; its own names stay.

    Args:
        base: its parameters are reused, not copied.
        adapter: to add.
    """

    def __init__(self, base: nn.Conv2d, adapter: LowRankConvolution | DualRank | Convolution):
        with torch.random.fork_rng(devices=[]):
            super().__init__(**_shape(base))
        self.weight = base.weight
        self.register_parameter("bias", base.bias)  # type: ignore[arg-type]
        self.adapter = adapter

    def forward(self, x: Tensor) -> Tensor:
        """Output of the convolution and the adapter."""
        y = super().forward(x)
        if isinstance(self.adapter, Convolution):
            behind: Tensor = self.adapter(y)
            return behind
        beside: Tensor = y + self.adapter(x)
        return beside

    def plain(self) -> nn.Conv2d:
        """The convolution with the adapter's update added to its kernel."""
        assert isinstance(self.adapter, LowRankConvolution | DualRank)
        with torch.random.fork_rng(devices=[]):
            layer = nn.Conv2d(**_shape(self))
        layer.weight = nn.Parameter((self.weight + self.adapter.update()).detach())
        layer.register_parameter("bias", self.bias)  # type: ignore[arg-type]
        return layer


def attach_by_pattern(
    module: nn.Module, spec: AdapterSpec, patterns: Sequence[str], generator: torch.Generator
) -> int:
    """Adds adapters to the layers that match patterns; the output stays the same.

    Args:
        module: changed in place.
        spec: of kind ``lora`` or ``vida`` (Linear, and Conv2d without groups), or ``convolution``
            (after Conv2d).
        patterns: shell patterns of module names (``encoder.layer4.*``).
        generator: draws initial values, on the CPU.

    Returns:
        The number of adapters.

    Raises:
        InputError: no layer matches, or the kind fits none of them.
    """
    if spec.kind not in (*LINEAR, "convolution"):
        raise InputError(
            "adapters: expected lora, vida or convolution for a model of your own, got "
            f"{spec.kind}. To fix: take one of these"
        )
    if next(adapters_of(module), None) is not None:
        raise InputError(
            "adapters: expected a model without adapters, got one with adapters. To fix: load the "
            "model again"
        )
    kinds = (nn.Linear, nn.Conv2d) if spec.kind in LINEAR else (nn.Conv2d,)
    named = [n for n, _ in module.named_modules() if any(fnmatch(n, p) for p in patterns)]
    layers = [n for n in named if type(module.get_submodule(n)) in kinds and _fits(module, n, spec)]
    if not layers:
        every = [n for n, m in module.named_modules() if type(m) in kinds]
        raise InputError(
            f"adapters.at: expected patterns of layers for {spec.kind}, got {commas(patterns)}, "
            f"which match none. To fix: name {commas(k.__name__ for k in kinds)} layers without "
            f"groups, such as {commas(every[:4])}"
        )
    for name in layers:
        base = module.get_submodule(name)
        with torch.random.fork_rng(devices=[]):  # torch draws for every layer that it makes
            new = _adapted(base, spec)
        for _, adapter in adapters_of(new):
            adapter.reset(generator)
            adapter.to(base.weight.device, base.weight.dtype)  # type: ignore[arg-type]
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, new.eval())
    return len(layers)


def merge_by_pattern(module: nn.Module) -> None:
    """Merges linear updates into their layers, in place; other adapters stay."""
    for _, owner in list(module.named_modules()):
        for name, child in list(owner.named_children()):
            if isinstance(child, UpdatedLinear):
                setattr(owner, name, child.plain(merged=True))
            elif isinstance(child, AdaptedConvolution) and isinstance(
                child.adapter, LowRankConvolution | DualRank
            ):
                setattr(owner, name, child.plain())


def _shape(layer: nn.Conv2d) -> dict[str, Any]:
    """The arguments for a convolution like this one, without allocating memory."""
    same = {name: getattr(layer, name) for name in SHAPE}
    return {**same, "bias": layer.bias is not None, "device": "meta"}


def _fits(module: nn.Module, name: str, spec: AdapterSpec) -> bool:
    layer = module.get_submodule(name)
    if isinstance(layer, nn.Linear):
        return spec.kind == "vida" or spec.rank <= min(layer.in_features, layer.out_features)
    assert isinstance(layer, nn.Conv2d)
    return spec.kind == "convolution" or layer.groups == 1


def _adapted(base: nn.Module, spec: AdapterSpec) -> nn.Module:
    if isinstance(base, nn.Linear):
        if spec.kind == "vida":
            return DualRankLinear(base, ONE, ONE, ranks=(spec.rank, spec.high_rank))
        return LoraLinear(
            base, ONE, ONE, rank=spec.rank, alpha=spec.alpha,
            dropout=spec.dropout,
        )  # fmt: skip
    assert isinstance(base, nn.Conv2d)
    if spec.kind == "vida":
        shape = {name: getattr(base, name) for name in SHAPE}
        return AdaptedConvolution(base, beside_convolution(shape, (spec.rank, spec.high_rank)))
    if spec.kind == "lora":
        low = LowRankConvolution(base, rank=spec.rank, alpha=spec.alpha, dropout=spec.dropout)
        return AdaptedConvolution(base, low)
    channels = base.out_channels
    behind = Convolution(
        channels, spec.width_at(channels), depthwise=spec.depthwise, activation=spec.activation,
        dropout=spec.dropout, scale=spec.scale,
    )  # fmt: skip
    return AdaptedConvolution(base, behind)
