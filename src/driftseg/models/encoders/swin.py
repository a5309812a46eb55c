"""Swin Transformer encoders Swin-T, Swin-S and Swin-B (Liu et al. 2021, arXiv:2103.14030).

As published for segmentation, for images of any size: windows are 7 by 7 tokens and every second
block shifts them by 3, even if the grid is not larger than one window (the published image
classifier does not shift then). Padding is zeros at the right and the bottom; in attention it is
added after the norm and treated like any token.

Shapes: B batch, N tokens (h*w), C channels of the stage, W windows of a map, 49 tokens of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftseg.models.encoders.mit import to_map, to_tokens
from driftseg.models.encoders.padding import known, pad_to_multiple
from driftseg.models.encoders.sites import LinearSite, Slot
from driftseg.models.encoders.stages import Encoder
from driftseg.models.encoders.transformer import TransformerBlock

EPSILON = 1e-5
"""Epsilon of every norm."""
PATCH = 4
WINDOW = 7
SHIFT = WINDOW // 2
EXPANSION = 4
APART = -100.0
"""Added to the attention between tokens that are not neighbours in the map; published."""


@dataclass(frozen=True)
class SwinSize:
    """The settings that differ between T, S and B."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    heads: tuple[int, int, int, int]
    head_width: int = 768
    """Embedding width of the all-MLP head. SegFormer takes 256 for its two smallest encoders and
    768 from B2 (24 million parameters) on; Swin-T has 28 million."""


_NARROW, _WIDE = (96, 192, 384, 768), (128, 256, 512, 1024)
SWIN_SIZES = {
    "swin_t": SwinSize(_NARROW, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin_s": SwinSize(_NARROW, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin_b": SwinSize(_WIDE, (2, 2, 18, 2), (4, 8, 16, 32)),
}


def to_windows(grid: Tensor) -> Tensor:
    """(B, h, w, C), multiples of the window, to (B*W, 49, C)."""
    batch, height, width, channels = grid.shape
    shape = (batch, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)
    return grid.reshape(shape).transpose(2, 3).reshape(-1, WINDOW * WINDOW, channels)


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """(B*W, 49, C) back to (B, h, w, C)."""
    shape = (-1, height // WINDOW, width // WINDOW, WINDOW, WINDOW, windows.shape[2])
    return windows.reshape(shape).transpose(2, 3).reshape(-1, height, width, windows.shape[2])


# Constants per size are cached outside the modules: all blocks share them, and files do not contain
# them. If made in inference mode, training could not use them later.
@lru_cache(maxsize=8)
@torch.inference_mode(False)
def relative_positions(device: torch.device) -> Tensor:
    """(49, 49): row of the bias table for each pair of tokens of a window."""
    token = torch.arange(WINDOW * WINDOW, device=device)
    row, column = token // WINDOW, token % WINDOW
    down = row[:, None] - row + WINDOW - 1
    right = column[:, None] - column + WINDOW - 1
    return down * (2 * WINDOW - 1) + right


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def shift_mask(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(W, 49, 49): mask between tokens that are in one window only because of the shift."""
    regions = 3 * _regions(height, device)[:, None] + _regions(width, device)
    windows = to_windows(regions[None, :, :, None])[:, :, 0]
    apart = windows[:, :, None] != windows[:, None, :]
    return torch.zeros(apart.shape, device=device, dtype=dtype).masked_fill(apart, APART)


def _regions(length: int, device: torch.device) -> Tensor:
    """Regions along one side of the shifted map: not wrapped, rest of the last window, wrapped."""
    place = torch.arange(length, device=device)
    return (place >= length - WINDOW).long() + (place >= length - SHIFT).long()


class PatchEmbedding(nn.Module):
    """Non-overlapping patches of 4 by 4 pixels, then LayerNorm over channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.projection = nn.Conv2d(3, channels, PATCH, PATCH)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        """(B, 3, H, W) to tokens (B, N, C) and their grid."""
        x = self.projection(pad_to_multiple(x, PATCH))
        return self.norm(to_tokens(x)), x.shape[2], x.shape[3]


class PatchMerging(nn.Module):
    """Merges 2 by 2 tokens into one: LayerNorm over all four, then a linear map to C channels."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * in_channels, eps=EPSILON)
        self.projection = nn.Linear(4 * in_channels, channels, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        """(B, C', h, w) to tokens (B, N, C) and their grid of half the size."""
        x = pad_to_multiple(x, 2)
        x = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2)
        corners = [x[:, :, :, row, :, column] for column in (0, 1) for row in (0, 1)]
        x = torch.cat(corners, dim=1)
        return self.projection(self.norm(to_tokens(x))), x.shape[2], x.shape[3]


class WindowAttention(nn.Module):
    """Self-attention within windows, with a learnt bias for every relative position."""

    def __init__(self, channels: int, heads: int, shift: int):
        super().__init__()
        self.heads = heads
        self.shift = shift
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.projection = nn.Linear(channels, channels)
        offsets = 2 * WINDOW - 1
        self.relative_position_bias_table = nn.Parameter(torch.empty(offsets * offsets, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        grid = tokens.reshape(tokens.shape[0], height, width, -1)
        grid = pad_to_multiple(grid, WINDOW, (1, 2))
        size = (grid.shape[1], grid.shape[2])
        if self.shift:
            grid = grid.roll((-self.shift, -self.shift), (1, 2))
        windows = to_windows(grid)
        query = self._split(self.query(windows))
        key, value = self.key_value(windows).chunk(2, dim=-1)
        mixed = F.scaled_dot_product_attention(
            query, self._split(key), self._split(value), attn_mask=self._bias(tokens, size)
        )
        grid = from_windows(self.projection(mixed.transpose(1, 2).flatten(2)), *size)
        if self.shift:
            grid = grid.roll((self.shift, self.shift), (1, 2))
        return grid.narrow(1, 0, height).narrow(2, 0, width).flatten(1, 2)

    def _bias(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """(1, heads, 49, 49), or (B*W, heads, 49, 49) if masks differ between windows."""
        bias = self.relative_position_bias_table[relative_positions(tokens.device)]
        bias = bias.permute(2, 0, 1).contiguous()[None]
        if not self.shift:
            return bias
        # In an export for every size, sizes are symbols, which cannot be cached.
        masking = shift_mask if known(*size) else shift_mask.__wrapped__
        mask = masking(*size, tokens.device, bias.dtype)
        return (bias + mask[:, None]).repeat(tokens.shape[0], 1, 1, 1)

    def _split(self, x: Tensor) -> Tensor:
        """(B*W, 49, C) to (B*W, heads, 49, C / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """Expand, GELU, contract, for each token separately."""

    def __init__(self, channels: int):
        super().__init__()
        self.expand = nn.Linear(channels, EXPANSION * channels)
        self.contract = nn.Linear(EXPANSION * channels, channels)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, N, C) to (B, N, C); the grid is an argument as in other encoders, but not used."""
        result: Tensor = self.contract(F.gelu(self.expand(tokens)))
        return result


def _block(channels: int, heads: int, shift: int, drop_path: float) -> TransformerBlock:
    return TransformerBlock(
        channels,
        attention=WindowAttention(channels, heads, shift),
        feed_forward=FeedForward(channels),
        epsilon=EPSILON,
        drop_path=drop_path,
    )


class SwinStage(nn.Module):
    """Patch embedding or merging, the blocks, and the output norm, which only heads use.

    Merging the patches of stage i - 1 belongs to stage i; published files store it under i - 1.
    """

    def __init__(self, index: int, size: SwinSize, drop_paths: list[float]):
        super().__init__()
        channels, heads = size.channels[index], size.heads[index]
        self.embedding: PatchEmbedding | PatchMerging
        if index == 0:
            self.embedding = PatchEmbedding(channels)
        else:
            self.embedding = PatchMerging(size.channels[index - 1], channels)
        self.blocks = nn.ModuleList(
            _block(channels, heads, SHIFT if place % 2 else 0, rate)
            for place, rate in enumerate(drop_paths)
        )
        self.output_norm = nn.LayerNorm(channels, eps=EPSILON)
        self.adapter: nn.Module | None = None

    def sites(self) -> Sequence[Slot | LinearSite]:
        """The input of the next stage."""
        return (Slot("stage", self, "adapter", self.output_norm.normalized_shape[0]),)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H, W) to (B, C, h, w)."""
        tokens, height, width = self.embedding(x)
        for block in self.blocks:
            tokens = block(tokens, height, width)
        result = to_map(tokens, height, width)
        return result if self.adapter is None else self.adapter(result)

    def level(self, x: Tensor) -> Tensor:
        """The level for heads, (B, C, h, w)."""
        return to_map(self.output_norm(to_tokens(x)), *x.shape[2:])


class Swin(Encoder):
    """A Swin Transformer.

    Args:
        size: one of ``SWIN_SIZES``'s values.
        drop_path: stochastic depth of the last block; blocks before it grow linearly from 0.
            The default is that of the published segmentation configs.
    """

    mean = (123.675 / 255, 116.28 / 255, 103.53 / 255)
    deviation = (58.395 / 255, 57.12 / 255, 57.375 / 255)
    undecayed = ("relative_position_bias_table",)

    def __init__(self, size: SwinSize, *, drop_path: float = 0.3):
        super().__init__()
        self.channels = size.channels
        total = sum(size.depths)
        rates = [drop_path * i / max(total - 1, 1) for i in range(total)]
        self.stages = nn.ModuleList()
        for index, depth in enumerate(size.depths):
            first = sum(size.depths[:index])
            self.stages.append(SwinStage(index, size, rates[first : first + depth]))
        self.apply(_initialise)

    def level(self, index: int, x: Tensor) -> Tensor:
        """The map of a stage after its output norm, which the next stage does not use."""
        stage = self.stages[index]
        assert isinstance(stage, SwinStage)
        return stage.level(x)


def _initialise(module: nn.Module) -> None:
    """Truncated normal for linear layers, as in the published code."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
