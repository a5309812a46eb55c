"""The stage contract of all encoders."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from driftseg.models.draws import SharedDraws, uniform
from driftseg.models.sending import sent


class Encoder(nn.Module):
    """An encoder of four stages, with maps at strides 4, 8, 16 and 32.

    All features on parts of a network (freezing, module selection, adapters, the shared prefix) use
    these stages. Subclasses fill ``stages`` and have no other parameters, so the four groups
    partition the parameters.
    """

    strides: ClassVar[tuple[int, int, int, int]] = (4, 8, 16, 32)

    channels: tuple[int, int, int, int]
    """Width of each level for heads."""
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    """Per-channel mean and standard deviation, RGB in [0, 1], that the encoder expects."""
    head_width: ClassVar[int] = 128
    """Embedding width of the heads if none is set or published."""
    undecayed: ClassVar[tuple[str, ...]] = ()
    """Name endings of parameters without weight decay, besides those of norms."""
    stages: nn.ModuleList

    def stage(self, index: int, x: Tensor) -> Tensor:
        """Maps the output of stage ``index - 1`` (or the normalised image) to that of ``index``.

        Args:
            index: 0 to 3.
            x: (B, 3, H, W) for stage 0, else (B, C, h, w) of the stage before.
        """
        result: Tensor = self.stages[index](x)
        return result

    def level(self, index: int, x: Tensor) -> Tensor:
        """The level of stage ``index`` for heads; the identity unless an encoder overrides it."""
        return x

    def group(self, index: int) -> list[str]:
        """Names of the parameters of stage ``index``, as in ``named_parameters()``."""
        return [f"stages.{index}.{name}" for name, _ in self.stages[index].named_parameters()]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """All four levels of a normalised image (B, 3, H, W)."""
        levels = []
        for index in range(len(self.stages)):
            x = self.stage(index, x)
            levels.append(self.level(index, x))
        return tuple(levels)


class DropPath(nn.Module):
    """Drops a residual branch per sample (stochastic depth, Huang et al. 2016).

    Kept branches are scaled by 1 / keep. ``generator`` draws; None means torch's default generator.
    """

    generator: torch.Generator | SharedDraws | None = None

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Any shape with the batch first."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        draw = sent(uniform(shape, self.generator), x).to(x.dtype)
        return x * ((draw < keep).to(x) / keep)

    def extra_repr(self) -> str:
        """The rate, for ``print(model)``."""
        return f"rate={self.rate:.3f}"


class Dropout(nn.Module):
    """Drops single values in training, and scales the others by 1 / keep.

    ``generator`` draws; None means torch's default generator.
    """

    generator: torch.Generator | SharedDraws | None = None

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if not self.training or self.rate == 0:
            return x
        draw = sent(uniform(x.shape, self.generator), x).to(x.dtype)
        return x * (draw >= self.rate) / (1 - self.rate)

    def extra_repr(self) -> str:
        """The rate, for ``print(model)``."""
        return f"rate={self.rate:.3f}"
