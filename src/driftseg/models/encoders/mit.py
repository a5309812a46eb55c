"""Mix Transformer encoders MiT-B0..B5 (SegFormer, Xie et al. 2021, arXiv:2105.15203).

Sizes, strides, initialisation and both LayerNorm epsilons are the published ones. There is no
positional embedding: the 3x3 depthwise convolution of the feed-forward part gives positions.

Shapes: B batch, N tokens (h*w), C channels of the stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from driftseg.models.encoders.sites import LinearSite, Slot
from driftseg.models.encoders.stages import Encoder
from driftseg.models.encoders.transformer import TransformerBlock

BLOCK_NORM_EPSILON = 1e-6
"""Epsilon of the norms inside and after blocks."""
EMBEDDING_NORM_EPSILON = 1e-5
"""Epsilon of the norms after patch embedding and after the key/value reduction (torch's
default)."""


@dataclass(frozen=True)
class MitSize:
    """The settings that differ between B0 and B5."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head_width: int
    """Embedding width of the published head at this size."""


_WIDE = (64, 128, 320, 512)
MIT_SIZES = {
    "mit_b0": MitSize((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "mit_b1": MitSize(_WIDE, (2, 2, 2, 2), 256),
    "mit_b2": MitSize(_WIDE, (3, 4, 6, 3), 768),
    "mit_b3": MitSize(_WIDE, (3, 4, 18, 3), 768),
    "mit_b4": MitSize(_WIDE, (3, 8, 27, 3), 768),
    "mit_b5": MitSize(_WIDE, (3, 6, 40, 3), 768),
}
HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
EXPANSION = 4


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h*w, C); no copy if channels are last in memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """(B, h*w, C) to (B, C, h, w) with channels last in memory, without a copy."""
    return tokens.reshape(tokens.shape[0], height, width, -1).permute(0, 3, 1, 2)


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution, then LayerNorm over channels."""

    def __init__(self, in_channels: int, channels: int, *, kernel: int, stride: int):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(channels, eps=EMBEDDING_NORM_EPSILON)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        """(B, C', H, W) to tokens (B, N, C) and their grid."""
        x = self.projection(x)
        return self.norm(to_tokens(x)), x.shape[2], x.shape[3]


class ReducedAttention(nn.Module):
    """Self-attention whose keys and values come from a map reduced by a strided convolution."""

    def __init__(self, channels: int, heads: int, reduction: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.projection = nn.Linear(channels, channels)
        self.reduction: nn.Conv2d | None = None
        self.reduction_norm: nn.LayerNorm | None = None
        if reduction > 1:
            self.reduction = nn.Conv2d(channels, channels, reduction, reduction)
            self.reduction_norm = nn.LayerNorm(channels, eps=EMBEDDING_NORM_EPSILON)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        reduced = tokens
        if self.reduction is not None and self.reduction_norm is not None:
            reduced = to_tokens(self.reduction(to_map(tokens, height, width)))
            reduced = self.reduction_norm(reduced)
        query = self._split(self.query(tokens))
        key, value = self.key_value(reduced).chunk(2, dim=-1)
        mixed = F.scaled_dot_product_attention(query, self._split(key), self._split(value))
        result: Tensor = self.projection(mixed.transpose(1, 2).flatten(2))
        return result

    def _split(self, x: Tensor) -> Tensor:
        """(B, N, C) to (B, heads, N, C / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class MixFeedForward(nn.Module):
    """Expand, depthwise 3x3 convolution on the grid, GELU, contract."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = channels * EXPANSION
        self.expand = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.contract = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, N, C) to (B, N, C).

        With gradients, activations between the two linear layers are computed again in the backward
        pass. They are four times as wide as the others of a block, need most of the memory of a
        step, and are cheap to compute (docs/performance.md). This is not done if the linear layers
        draw dropout, as with low-rank updates.
        """
        plain = isinstance(self.expand, nn.Linear) and isinstance(self.contract, nn.Linear)
        crossed = tokens.requires_grad or self.expand.weight.requires_grad
        if torch.is_grad_enabled() and plain and crossed:
            parts = (self.expand, self.depthwise, self.contract)
            weights = [tensor for part in parts for tensor in (part.weight, part.bias)]
            again: Tensor = checkpoint(
                _by, tokens, height, width, *weights,
                use_reentrant=False, preserve_rng_state=False,
            )  # fmt: skip
            return again
        return self._feed(tokens, height, width)

    def _feed(self, tokens: Tensor, height: int, width: int) -> Tensor:
        hidden = self.depthwise(to_map(self.expand(tokens), height, width))
        result: Tensor = self.contract(F.gelu(to_tokens(hidden)))
        return result


def _by(tokens: Tensor, height: int, width: int, *weights: Tensor) -> Tensor:
    """`MixFeedForward` with the weights of the forward pass, its own or those of an overlay."""
    expand, expand_bias, kernel, kernel_bias, contract, contract_bias = weights
    hidden = to_map(F.linear(tokens, expand, expand_bias), height, width)
    hidden = F.conv2d(hidden, kernel, kernel_bias, padding=1, groups=len(kernel))
    return F.linear(F.gelu(to_tokens(hidden)), contract, contract_bias)


def _block(channels: int, heads: int, reduction: int, drop_path: float) -> TransformerBlock:
    return TransformerBlock(
        channels,
        attention=ReducedAttention(channels, heads, reduction),
        feed_forward=MixFeedForward(channels),
        epsilon=BLOCK_NORM_EPSILON,
        drop_path=drop_path,
    )


class MitStage(nn.Module):
    """Patch embedding, blocks, and a norm; its map is the output and the next stage's input."""

    def __init__(self, index: int, in_channels: int, channels: int, drop_paths: list[float]):
        super().__init__()
        kernel, stride = (7, 4) if index == 0 else (3, 2)
        self.embedding = PatchEmbedding(in_channels, channels, kernel=kernel, stride=stride)
        self.blocks = nn.ModuleList(
            _block(channels, HEADS[index], REDUCTIONS[index], rate) for rate in drop_paths
        )
        self.norm = nn.LayerNorm(channels, eps=BLOCK_NORM_EPSILON)
        self.adapter: nn.Module | None = None

    def sites(self) -> Sequence[Slot | LinearSite]:
        """The map."""
        return (Slot("stage", self, "adapter", self.norm.normalized_shape[0]),)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H, W) to (B, C, h, w)."""
        tokens, height, width = self.embedding(x)
        for block in self.blocks:
            tokens = block(tokens, height, width)
        result = to_map(self.norm(tokens), height, width)
        return result if self.adapter is None else self.adapter(result)


class Mit(Encoder):
    """A Mix Transformer.

    Args:
        size: one of ``MIT_SIZES``'s values.
        drop_path: stochastic depth of the last block; blocks before it grow linearly from 0.
    """

    mean = (123.675 / 255, 116.28 / 255, 103.53 / 255)
    deviation = (58.395 / 255, 57.12 / 255, 57.375 / 255)

    def __init__(self, size: MitSize, *, drop_path: float = 0.1):
        super().__init__()
        self.channels = size.channels
        total = sum(size.depths)
        rates = [drop_path * i / max(total - 1, 1) for i in range(total)]
        self.stages = nn.ModuleList()
        in_channels = 3
        for index, (channels, depth) in enumerate(zip(size.channels, size.depths, strict=True)):
            first = sum(size.depths[:index])
            drop_paths = rates[first : first + depth]
            self.stages.append(MitStage(index, in_channels, channels, drop_paths))
            in_channels = channels
        self.apply(_initialise)


def _initialise(module: nn.Module) -> None:
    """Truncated normal for linear layers, fan-out normal for convolutions (published code)."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        with torch.no_grad():
            module.weight.normal_(0, math.sqrt(2 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
