"""The common transformer block of MiT and Swin, with different attention and feed-forward parts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from driftseg.models.encoders.sites import Branch, LinearSite, Slot, join, transformer_sites
from driftseg.models.encoders.stages import DropPath


class TransformerBlock(nn.Module):
    """One pre-norm block: attention, then the feed-forward part, both residual.

    Args:
        channels: C.
        attention: (tokens, height, width) to tokens; has ``query``, ``key_value``, ``projection``.
        feed_forward: the same; has ``expand`` and ``contract``.
        epsilon: of both norms.
        drop_path: probability that a branch is dropped in training.
    """

    def __init__(
        self,
        channels: int,
        *,
        attention: nn.Module,
        feed_forward: nn.Module,
        epsilon: float,
        drop_path: float,
    ):
        super().__init__()
        self.channels = channels
        self.attention_norm = nn.LayerNorm(channels, eps=epsilon)
        self.attention = attention
        self.feed_forward_norm = nn.LayerNorm(channels, eps=epsilon)
        self.feed_forward = feed_forward
        self.drop_path = DropPath(drop_path)
        self.attention_adapter: nn.Module | None = None
        self.feed_forward_adapter: nn.Module | None = None

    def sites(self) -> Sequence[Slot | LinearSite]:
        """Both branches, and their linear layers."""
        return transformer_sites(self, self.attention, self.feed_forward, self.channels)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        normed = self.attention_norm(tokens)
        attended = self.attention(normed, height, width)
        tokens = join(
            Branch(tokens, normed, attended, self.drop_path, height, width), self.attention_adapter
        )
        normed = self.feed_forward_norm(tokens)
        fed = self.feed_forward(normed, height, width)
        return join(
            Branch(tokens, normed, fed, self.drop_path, height, width), self.feed_forward_adapter
        )
