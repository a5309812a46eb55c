"""Encoders that no table holds: as small as they get with every kind of part in them."""

from __future__ import annotations

from torch import nn

from driftseg.models.encoders import Encoder
from driftseg.models.encoders.efficientnet import EfficientNetLite0, InvertedResidual, LiteStage
from driftseg.models.encoders.mit import Mit, MitSize
from driftseg.models.encoders.swin import Swin, SwinSize
from driftseg.models.heads import MlpHead
from driftseg.models.norm import BatchNorm
from driftseg.models.segmenter import Segmenter, build_segmenter

TINY_ENCODER = "tiny_networks:tiny_mit"
"""As a config names it."""
TINY_SWIN = SwinSize((16, 32, 64, 128), (2, 1, 2, 2), (1, 2, 4, 4))
TINY_MIT = MitSize((8, 16, 40, 64), (1, 1, 1, 1), 16)


def tiny_mit() -> Mit:
    """Less than half of MiT-B0's time, and a twenty-fifth of its weights."""
    return Mit(TINY_MIT)


def tiny_lite() -> EfficientNetLite0:
    """EfficientNet-Lite0 with one residual block in a stage: drop path is kept, most blocks not."""
    encoder = EfficientNetLite0()
    for stage in encoder.stages:
        repeats = [i for i, m in enumerate(stage) if isinstance(m, InvertedResidual) and m.residual]
        for index in reversed(repeats[1:]):
            del stage[index]
    return encoder


class TinyNet(Encoder):
    """A convolution a stage: what takes a graph apart layer by layer takes least of it."""

    channels = (8, 16, 24, 32)
    mean = (0.485, 0.456, 0.406)
    deviation = (0.229, 0.224, 0.225)
    head_width = 16

    def __init__(self) -> None:
        super().__init__()
        widths = zip((3, *self.channels), self.channels, (4, 2, 2, 2), strict=False)
        self.stages = nn.ModuleList(
            LiteStage(nn.Conv2d(c, width, 2 * stride - 1, stride, stride - 1), BatchNorm(width),
                      nn.ReLU(), channels=width)
            for c, width, stride in widths
        )  # fmt: skip


ENCODERS = {"tiny_swin": lambda: Swin(TINY_SWIN), "tiny_mit": tiny_mit, "tiny_lite": tiny_lite}


def build(encoder: str, *, classes: int, head_width: int) -> Segmenter:
    """As ``build_segmenter``, which knows none of ``ENCODERS``."""
    if encoder not in ENCODERS:
        return build_segmenter(encoder, classes=classes, head_width=head_width)
    body = ENCODERS[encoder]()
    return Segmenter(
        body,
        MlpHead(body.channels, width=head_width, classes=classes),
        MlpHead(body.channels[:1], width=head_width, classes=classes),
    )
