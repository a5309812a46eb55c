"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946, in Google's "Lite" variant).

No squeeze-and-excitation, ReLU6 everywhere, TensorFlow's "SAME" padding. There is no classification
head (1x1 convolution to 1280 and later layers): the fourth level is the 320-channel map at stride
32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftseg.models.encoders.padding import known
from driftseg.models.encoders.sites import LinearSite, Slot
from driftseg.models.encoders.stages import DropPath, Encoder
from driftseg.models.norm import BatchNorm

EPSILON = 1e-3
MOMENTUM = 0.01
"""Share of a new batch in the running statistics (TensorFlow's 0.99)."""
STEM_CHANNELS = 32

# (kernel, stride, expansion, channels, repeats), grouped by our stages
_STAGES: tuple[tuple[tuple[int, int, int, int, int], ...], ...] = (
    ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2)),
    ((5, 2, 6, 40, 2),),
    ((3, 2, 6, 80, 3), (5, 1, 6, 112, 3)),
    ((5, 2, 6, 192, 4), (3, 1, 6, 320, 1)),
)
LITE0_DEPTHS = tuple(sum(repeats for *_, repeats in stage) for stage in _STAGES)
"""Blocks of each stage, without the stem."""


class SameConvolution(nn.Conv2d):
    """A bias-free convolution padded so that the output has ceil(input / stride) pixels."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
    ):
        super().__init__(in_channels, channels, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C', H, W) to (B, C, ceil(H / s), ceil(W / s))."""
        height, width = input.shape[2:]
        if not known(height, width):
            return self._by(self._cut(self._cut(input, 2), 3), 0, 0)
        top, bottom = self._margin(height)
        left, right = self._margin(width)
        if top == bottom and left == right:
            return self._by(input, top, left)
        return self._by(F.pad(input, (left, right, top, bottom)), 0, 0)

    def _by(self, x: Tensor, below: int, right: int) -> Tensor:
        return F.conv2d(x, self.weight, None, self.stride, (below, right), 1, self.groups)

    def _margin(self, length: int) -> tuple[int, int]:
        """Padding by TensorFlow's rule: an odd pixel is added at the end."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
        return total // 2, total - total // 2

    def _cut(self, x: Tensor, dim: int) -> Tensor:
        """The same for a symbolic size: pads by the maximum and cuts."""
        kernel, stride, length = self.kernel_size[0], self.stride[0], x.shape[dim]
        most = kernel // 2
        if most == 0:
            return x
        x = F.pad(x, (most, most) if dim == 3 else (0, 0, most, most))
        if stride == 1:
            return x
        wanted = (length - 1) // stride * stride + kernel
        return x.narrow(dim, (length + 1) % 2, wanted)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1; residual where shapes allow."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        kernel: int,
        stride: int,
        expansion: int,
        drop_path: float,
    ):
        super().__init__()
        hidden = in_channels * expansion
        self.expand: SameConvolution | None = None
        self.expand_norm: BatchNorm | None = None
        if expansion > 1:
            self.expand = SameConvolution(in_channels, hidden, 1)
            self.expand_norm = BatchNorm(hidden, EPSILON, MOMENTUM)
        self.depthwise = SameConvolution(hidden, hidden, kernel, stride, groups=hidden)
        self.depthwise_norm = BatchNorm(hidden, EPSILON, MOMENTUM)
        self.project = SameConvolution(hidden, channels, 1)
        self.project_norm = BatchNorm(channels, EPSILON, MOMENTUM)
        self.residual = stride == 1 and in_channels == channels
        self.drop_path = DropPath(drop_path)
        self.expand_adapter: nn.Module | None = None
        self.project_adapter: nn.Module | None = None
        self.adapter: nn.Module | None = None

    def sites(self) -> Sequence[Slot | LinearSite]:
        """The 1x1 convolutions, and the block's output."""
        expand = Slot("expand", self, "expand_adapter", self.depthwise.in_channels)
        return (
            *(() if self.expand is None else (expand,)),
            Slot("project", self, "project_adapter", self.project.out_channels),
            Slot("block", self, "adapter", self.project.out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H, W) to (B, C, H / s, W / s)."""
        hidden = x
        if self.expand is not None and self.expand_norm is not None:
            expanded = _beside(self.expand(x), x, self.expand_adapter)
            hidden = F.relu6(self.expand_norm(expanded))
        hidden = F.relu6(self.depthwise_norm(self.depthwise(hidden)))
        projected = _beside(self.project(hidden), hidden, self.project_adapter)
        result: Tensor = self.project_norm(projected)
        result = x + self.drop_path(result) if self.residual else result
        return result if self.adapter is None else self.adapter(result)


def _beside(y: Tensor, x: Tensor, adapter: nn.Module | None) -> Tensor:
    """A convolution's output with that of an adapter beside it, in the output's memory layout."""
    return y if adapter is None else y.add_(adapter(x))


class Stem(nn.Module):
    """The first strided convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = SameConvolution(3, STEM_CHANNELS, 3, 2)
        self.norm = BatchNorm(STEM_CHANNELS, EPSILON, MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 32, H / 2, W / 2)."""
        return F.relu6(self.norm(self.convolution(x)))


class LiteStage(nn.Sequential):
    """Blocks in sequence, then the stage's adapter if there is one."""

    def __init__(self, *parts: nn.Module, channels: int):
        super().__init__(*parts)
        self.channels = channels
        self.adapter: nn.Module | None = (
            None  # when set to a module, it is the last in the sequence
        )

    def sites(self) -> Sequence[Slot | LinearSite]:
        """The map."""
        return (Slot("stage", self, "adapter", self.channels),)


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 as four stages.

    Args:
        drop_path: stochastic depth of the last block; blocks before it grow linearly from 0.
    """

    mean = (127 / 255, 127 / 255, 127 / 255)
    deviation = (128 / 255, 128 / 255, 128 / 255)
    channels = (24, 40, 112, 320)

    def __init__(self, *, drop_path: float = 0.0):
        super().__init__()
        total = sum(repeats for stage in _STAGES for *_, repeats in stage)
        self.stages = nn.ModuleList()
        in_channels, made = STEM_CHANNELS, 0
        for index, stage in enumerate(_STAGES):
            parts: list[nn.Module] = [Stem()] if index == 0 else []
            for kernel, stride, expansion, channels, repeats in stage:
                for repeat in range(repeats):
                    parts.append(
                        InvertedResidual(
                            in_channels,
                            channels,
                            kernel=kernel,
                            stride=stride if repeat == 0 else 1,
                            expansion=expansion,
                            drop_path=drop_path * made / total,
                        )
                    )
                    in_channels, made = channels, made + 1
            self.stages.append(LiteStage(*parts, channels=in_channels))
        self.apply(_initialise)
        # On a CPU, training of depthwise convolutions is about 1.5 times as fast with channels
        # last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _initialise(module: nn.Module) -> None:
    """Fan-out normal for convolutions, as in the published code."""
    if isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        with torch.no_grad():
            module.weight.normal_(0, math.sqrt(2 / fan_out))
