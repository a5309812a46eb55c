"""The all-MLP head of SegFormer, re-associated: the same function with less work."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftseg.models.draws import SharedDraws, uniform
from driftseg.models.norm import BatchNorm
from driftseg.models.sending import sent


class MlpHead(nn.Module):
    """All-MLP head (Xie et al. 2021, section 3.2) over any number of levels.

    Published: every level is embedded to E channels, upsampled to the first level's grid,
    concatenated, fused by a 1x1 convolution (no bias), BatchNorm and ReLU, then classified.
    Embedding, bilinear upsampling and fusion are all linear, and upsampling acts on each
    channel alike with weights that sum to one, so fusion(upsample(embed(x))) equals
    upsample((fusion embed) x): each level's two matrices are multiplied first and applied at
    the level's own resolution. Parameters and their gradients are those of the published form.

    The concatenation order is [c1, c2, c3, c4], as in DAFormer and HAMLET; NVlabs and Hugging
    Face files hold [c4, c3, c2, c1], which `driftseg.models.checkpoints` permutes on loading.

    With one level only this is HAMLET's lightweight decoder, here called the early head. HAMLET
    shares the first embedding between both heads; here each has its own, so training one never
    changes the other.

    Args:
        channels: widths of the levels, finest first.
        width: embedding width E.
        classes: number of classes C.
        dropout: share of whole channels dropped before the classifier in training.
    """

    generator: torch.Generator | SharedDraws | None = None
    """Generator of dropout; None means torch's default generator."""

    def __init__(self, channels: Sequence[int], *, width: int, classes: int, dropout: float = 0.1):
        super().__init__()
        self.width = width
        self.classes = classes
        self.dropout = dropout
        self.embed = nn.ModuleList(nn.Linear(level, width) for level in channels)
        self.fuse = nn.Conv2d(width * len(channels), width, 1, bias=False)
        self.norm = BatchNorm(width)
        self.classifier = nn.Conv2d(width, classes, 1)
        nn.init.kaiming_normal_(self.fuse.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(_bias(self.classifier))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Levels (B, C_i, h_i, w_i), finest first, to logits (B, classes, h_1, w_1)."""
        # Dropping whole channels before ReLU gives the same result, because the factor is not
        # negative, and the backward pass keeps one map instead of two.
        x = F.relu_(self._drop_channels(self.norm(self.mix(levels))))
        result: Tensor = self.classifier(x)
        return result

    def mix(self, levels: Sequence[Tensor]) -> Tensor:
        """The output of the published fuse convolution: (B, E, h_1, w_1)."""
        size = levels[0].shape[-2:]
        blocks = self.fuse.weight[:, :, 0, 0].chunk(len(self.embed), dim=1)
        mixed: Tensor | None = None
        bias = torch.zeros_like(blocks[0][:, 0])
        for level, embed, block in zip(levels, self.embed, blocks, strict=True):
            assert isinstance(embed, nn.Linear)
            bias = bias + block @ embed.bias
            here = F.conv2d(level, (block @ embed.weight)[:, :, None, None])
            if here.shape[-2:] != size:
                here = F.interpolate(here, size=size, mode="bilinear", align_corners=False)
            mixed = here if mixed is None else mixed.add_(here)  # no gradient needs the summands
        assert mixed is not None
        return mixed.add_(bias[None, :, None, None])

    def _drop_channels(self, x: Tensor) -> Tensor:
        if not self.training or self.dropout == 0:
            return x
        # Drawn on the CPU: the same on every device.
        draw = uniform(x.shape[:2], self.generator)
        kept = sent((draw >= self.dropout).to(x.dtype), x) / (1 - self.dropout)
        return x * kept[:, :, None, None]


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
