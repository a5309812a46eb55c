"""Adapters that add a small network to a branch, a block or a stage.

Each adds exactly 0 at first, because its last layer is 0. Sources and differences:
docs/adapters.md.

Shapes: B batch, N tokens (h*w), C channels of the place, d channels of the bottleneck.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftseg.models.adapters.spec import Activation
from driftseg.models.encoders.mit import to_map, to_tokens
from driftseg.models.encoders.sites import Adapter, Branch
from driftseg.models.encoders.stages import Dropout

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}
_UP = ("up.weight", "up.bias")


@final
class AdaptFormer(Adapter):
    """Parallel to a feed-forward part, with the input of its norm (Chen et al. 2022).

    y = x + FFN(norm(x)) + s (W_up drop(relu(W_down x + b_down)) + b_up); drop path applies only to
    the feed-forward part.
    """

    silent = _UP

    def __init__(
        self, channels: int, width: int, *, dropout: float, scale: float, learnable_scale: bool
    ):
        super().__init__()
        self.down = nn.Linear(channels, width)
        self.dropout = Dropout(dropout)
        self.up = nn.Linear(width, channels)
        self.scale = _scale(scale, learnable_scale)

    def reset(self, generator: torch.Generator) -> None:
        """Kaiming uniform with a = sqrt(5) below, 0 above."""
        _reset_down(self.down, generator)
        _reset_up(self.up)

    def forward(self, at: Branch) -> Tensor:
        """(B, N, C), the sum included."""
        added = self.up(self.dropout(F.relu(self.down(at.x))))
        result: Tensor = at.x + at.drop_path(at.output) + self.scale * added
        return result


@final
class Bottleneck(Adapter):
    """After a feed-forward part or a stage, with its own residual (Pfeiffer et al. 2021).

    h = FFN(norm(x)), y = x + h + s (W_up drop(act(W_down h + b_down)) + b_up); drop path applies to
    all terms except x. After a stage, h is its map with pixels as tokens, and y has no term x.
    """

    silent = _UP

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        activation: Activation,
        dropout: float,
        scale: float,
        learnable_scale: bool,
    ):
        super().__init__()
        self.down = nn.Linear(channels, width)
        self.dropout = Dropout(dropout)
        self.up = nn.Linear(width, channels)
        self.activation = activation
        self.scale = _scale(scale, learnable_scale)

    def reset(self, generator: torch.Generator) -> None:
        """Kaiming uniform with a = sqrt(5) below, 0 above."""
        _reset_down(self.down, generator)
        _reset_up(self.up)

    def forward(self, at: Branch | Tensor) -> Tensor:
        """(B, N, C), the sum included; or a map (B, C, h, w) to the same."""
        if isinstance(at, Tensor):
            return _sum(at, to_map(self._added(to_tokens(at)), at.shape[2], at.shape[3]))
        result: Tensor = at.x + at.drop_path(at.output + self._added(at.output))
        return result

    def _added(self, tokens: Tensor) -> Tensor:
        act = ACTIVATIONS[self.activation]
        added: Tensor = self.scale * self.up(self.dropout(act(self.down(tokens))))
        return added


@final
class Convpass(Adapter):
    """Parallel to a branch, with its norm's output as input and a convolution on the grid.

    Jie and Deng 2022. y = x + F(norm(x)) + s C(norm(x)), C being linear to d, QuickGELU, 3x3
    convolution, QuickGELU, dropout, linear to C channels. Both terms have a drop path.
    """

    silent = _UP

    def __init__(self, channels: int, width: int, *, dropout: float, scale: float):
        super().__init__()
        self.down = nn.Linear(channels, width)
        self.convolution = nn.Conv2d(width, width, 3, padding=1)
        self.dropout = Dropout(dropout)
        self.up = nn.Linear(width, channels)
        self.scale = scale

    def reset(self, generator: torch.Generator) -> None:
        """Xavier uniform below, the identity in the convolution, 0 above."""
        nn.init.xavier_uniform_(self.down.weight, generator=generator)
        nn.init.zeros_(self.down.bias)
        width = self.convolution.out_channels
        with torch.no_grad():
            self.convolution.weight.zero_()
            self.convolution.weight[:, :, 1, 1] = torch.eye(width)
        _zero_bias(self.convolution)
        _reset_up(self.up)

    def forward(self, at: Branch) -> Tensor:
        """(B, N, C), the sum included."""
        hidden = _quick_gelu(self.down(at.normed))
        hidden = to_tokens(self.convolution(to_map(hidden, at.height, at.width)))
        added = self.up(self.dropout(_quick_gelu(hidden)))
        result: Tensor = at.x + at.drop_path(at.output) + self.scale * at.drop_path(added)
        return result


@final
class Convolution(Adapter):
    """After a convolutional block or a stage, with its own residual.

    y = x + s W_up drop(act(conv(W_down x))), W being 1x1 convolutions and conv 3x3, one per
    channel or from all to all; each has a bias.
    """

    silent = _UP

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        depthwise: bool,
        activation: Activation,
        dropout: float,
        scale: float,
    ):
        super().__init__()
        self.down = nn.Conv2d(channels, width, 1)
        self.convolution = nn.Conv2d(width, width, 3, padding=1, groups=width if depthwise else 1)
        self.dropout = Dropout(dropout)
        self.up = nn.Conv2d(width, channels, 1)
        self.activation = activation
        self.scale = scale

    def reset(self, generator: torch.Generator) -> None:
        """Kaiming uniform with a = sqrt(5) below, 0 above."""
        _reset_down(self.down, generator)
        _reset_down(self.convolution, generator)
        _reset_up(self.up)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        act = ACTIVATIONS[self.activation]
        hidden = self.dropout(act(self.convolution(self.down(x))))
        return _sum(x, self.scale * self.up(hidden))


def _sum(x: Tensor, added: Tensor) -> Tensor:
    """Keeps the memory layout of x; in another layout, later convolutions round differently."""
    return x.clone().add_(added)


def _scale(scale: float, learnable: bool) -> nn.Parameter | float:
    return nn.Parameter(torch.tensor(float(scale))) if learnable else scale


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _reset_down(layer: nn.Linear | nn.Conv2d, generator: torch.Generator) -> None:
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    _zero_bias(layer)


def _reset_up(layer: nn.Linear | nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    _zero_bias(layer)


def _zero_bias(layer: nn.Linear | nn.Conv2d) -> None:
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
