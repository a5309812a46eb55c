"""Two linear adapters beside a layer, one of low and one of high rank (ViDA, Liu et al. 2024).

arXiv:2306.04344, section 3.2. Differences from the paper: docs/adapters.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from driftseg.models.adapters.lora import UpdatedLinear
from driftseg.models.encoders.sites import Adapter, Target


@final
class DualRank(Adapter):
    """low_factor * low_up(low_down(x)) + high_factor * high_up(high_down(x)), without biases.

    Both factors are 1, except in passes inside `factors`.

    Args:
        low: the layers down and up of the low-rank branch.
        high: those of the high-rank branch.
    """

    silent = ("low_up.weight", "high_up.weight")

    def __init__(self, low: tuple[nn.Module, nn.Module], high: tuple[nn.Module, nn.Module]):
        super().__init__()
        self.low_down, self.low_up = low
        self.high_down, self.high_up = high
        self.low_factor = self.high_factor = 1.0

    def reset(self, generator: torch.Generator) -> None:
        """Normal with a deviation of 1 / r^2 below, r being the branch's rank; 0 above.

        These are the first values of the released code.
        """
        for down, up in ((self.low_down, self.low_up), (self.high_down, self.high_up)):
            weight = _weight(down)
            nn.init.normal_(weight, std=len(weight) ** -2, generator=generator)
            nn.init.zeros_(_weight(up))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out) beside a linear layer; (B, in, H, W) to (B, out, h, w) else."""
        low: Tensor = self.low_up(self.low_down(x))
        high: Tensor = self.high_up(self.high_down(x))
        return self.low_factor * low + self.high_factor * high

    def update(self) -> Tensor:
        """What both branches add to the layer's weight, in its shape."""
        low = _product(self.low_up, self.low_down)
        return self.low_factor * low + self.high_factor * _product(self.high_up, self.high_down)


@final
class DualRankLinear(UpdatedLinear):
    """A linear layer with two branches beside each chosen map.

    Args:
        base: the layer; its parameters are reused, not copied.
        targets: the maps stacked in its rows, all equally high.
        chosen: those that get branches.
        ranks: of the low and of the high branch; at most the smaller side of a map.
    """

    def __init__(
        self,
        base: nn.Linear,
        targets: Sequence[Target],
        chosen: Collection[Target],
        *,
        ranks: tuple[int, int],
    ):
        channels, rows = base.in_features, base.out_features // len(targets)

        def branch(rank: int) -> tuple[nn.Module, nn.Module]:
            rank = min(rank, channels, rows)
            return nn.Linear(channels, rank, bias=False), nn.Linear(rank, rows, bias=False)

        updates = {t: DualRank(*map(branch, ranks)) for t in targets if t in chosen}
        super().__init__(base, targets, updates)


def beside_convolution(shape: dict[str, Any], ranks: tuple[int, int]) -> DualRank:
    """Branches beside a convolution without groups: its kernel to r channels, then 1x1.

    Args:
        shape: arguments of the convolution, without device and bias.
        ranks: of the low and of the high branch; at most the smaller number of its channels.
    """
    channels, out = shape["in_channels"], shape["out_channels"]

    def branch(rank: int) -> tuple[nn.Module, nn.Module]:
        rank = min(rank, channels, out)
        down = nn.Conv2d(**{**shape, "out_channels": rank}, bias=False)
        return down, nn.Conv2d(rank, out, 1, bias=False)

    return DualRank(*map(branch, ranks))


def dual_ranks_of(model: nn.Module) -> list[DualRank]:
    """Every adapter of this kind."""
    return [module for module in model.modules() if isinstance(module, DualRank)]


@contextmanager
def factors(adapters: Collection[DualRank], low: float, high: float) -> Iterator[None]:
    """Inside, the branches of these adapters have these factors; outside they have 1.

    Only one thread at a time may run the network.
    """
    _set(adapters, low, high)
    try:
        yield
    finally:
        _set(adapters, 1.0, 1.0)


def _set(adapters: Collection[DualRank], low: float, high: float) -> None:
    for adapter in adapters:
        adapter.low_factor, adapter.high_factor = low, high


def _product(up: nn.Module, down: nn.Module) -> Tensor:
    """W_up W_down, in the shape of the layer's weight."""
    below, above = _weight(down), _weight(up)
    return (above.flatten(1) @ below.flatten(1)).view(len(above), *below.shape[1:])


def _weight(layer: nn.Module) -> Tensor:
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    return layer.weight
