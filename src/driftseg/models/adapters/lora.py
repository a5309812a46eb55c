"""Low-rank updates of linear layers (LoRA, Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftseg.models.encoders.sites import Adapter, Target
from driftseg.models.encoders.stages import Dropout


@final
class LowRank(Adapter):
    """The update (alpha / r) W_up W_down of a matrix, without bias; W_down has r rows."""

    silent = ("up.weight",)

    def __init__(self, channels: int, rows: int, *, rank: int, alpha: float, dropout: float):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.down = nn.Linear(channels, rank, bias=False)
        self.up = nn.Linear(rank, rows, bias=False)
        self.scale = alpha / rank

    def reset(self, generator: torch.Generator) -> None:
        """Kaiming uniform with a = sqrt(5) below, 0 above."""
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5), generator=generator)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) to (..., rows)."""
        result: Tensor = self.scale * self.up(self.down(self.dropout(x)))
        return result

    def update(self) -> Tensor:
        """The update of the matrix, (rows, channels)."""
        return self.scale * (self.up.weight @ self.down.weight)


class UpdatedLinear(nn.Module):
    """A linear layer with updates of its matrix; its own weight and bias keep their names.

    Args:
        base: the layer; its parameters are reused, not copied.
        targets: the maps stacked in its rows, all equally high.
        updates: by map, an adapter (..., in_features) to (..., rows) with a method ``update`` that
            gives what it adds to the map's rows, (rows, in_features).
    """

    def __init__(
        self, base: nn.Linear, targets: Sequence[Target], updates: Mapping[Target, Adapter]
    ):
        super().__init__()
        self.in_features = base.in_features
        self.out_features = base.out_features
        self.weight = base.weight
        self.bias: nn.Parameter | None
        self.register_parameter("bias", base.bias)
        self.targets = tuple(targets)
        named: dict[str, nn.Module] = {str(target): each for target, each in updates.items()}
        self.updates = nn.ModuleDict(named)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        whole = F.linear(x, self.weight, self.bias)
        pieces = whole.chunk(len(self.targets), dim=-1)
        updated = [
            piece + self.updates[target](x) if target in self.updates else piece
            for target, piece in zip(self.targets, pieces, strict=True)
        ]
        return updated[0] if len(updated) == 1 else torch.cat(updated, dim=-1)

    def plain(self, *, merged: bool) -> nn.Linear:
        """The layer without updates; with ``merged`` they are first added to its matrix."""
        weight = self.weight
        if merged:
            names: list[str] = [*self.targets]
            blocks = list(weight.detach().chunk(len(self.targets)))
            for target, update in self.updates.items():
                row = names.index(target)
                added: Tensor = update.update()  # type: ignore[operator]
                blocks[row] = blocks[row] + added.detach()
            weight = nn.Parameter(torch.cat(blocks), requires_grad=weight.requires_grad)
        layer = nn.Linear(self.in_features, self.out_features, self.bias is not None, "meta")
        layer.weight = weight
        layer.register_parameter("bias", self.bias)
        return layer.train(self.training)


@final
class LoraLinear(UpdatedLinear):
    """A linear layer with low-rank updates.

    Args:
        base: the layer; its parameters are reused, not copied.
        targets: the maps stacked in its rows, all equally high.
        chosen: those that get an update.
        rank: of every update.
        alpha: an update is scaled by alpha / rank.
        dropout: of an update's input.
    """

    def __init__(
        self,
        base: nn.Linear,
        targets: Sequence[Target],
        chosen: Collection[Target],
        *,
        rank: int,
        alpha: float,
        dropout: float,
    ):
        rows = base.out_features // len(targets)
        updates: dict[Target, Adapter] = {
            target: LowRank(base.in_features, rows, rank=rank, alpha=alpha, dropout=dropout)
            for target in targets
            if target in chosen
        }
        super().__init__(base, targets, updates)
