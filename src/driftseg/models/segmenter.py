"""One segmentation network: an encoder walked stage by stage, a head, and an early head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driftseg.models.encoders import ENCODERS, HEAD_WIDTHS, Encoder
from driftseg.models.heads import MlpHead

if TYPE_CHECKING:
    from driftseg.models.adapters.spec import AdapterSpec


@dataclass(frozen=True)
class Walk:
    """How far an image has come through the encoder."""

    x: Tensor
    """Output of the last stage walked, or the normalised image."""
    levels: tuple[Tensor, ...] = ()
    """The levels met so far; their number is the number of stages walked."""


class Segmenter(nn.Module):
    """Encoder, head over all four levels, early head over the first.

    Images come in as RGB in [0, 1]; the encoder's own mean and deviation are applied here and
    nowhere else. The five parts (four stages and the head) and the early head partition the
    parameters.

    Args:
        encoder: meets the stage contract.
        head: over the encoder's four levels.
        early_head: over the first level only, or None.
    """

    adapters: AdapterSpec | None = None
    """Those that `driftseg.models.adapters.attach` has put into the encoder."""

    def __init__(self, encoder: Encoder, head: MlpHead, early_head: MlpHead | None = None):
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.early_head = early_head
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(encoder.mean).view(shape), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(encoder.deviation).view(shape), persistent=False
        )

    def start(self, images: Tensor) -> Walk:
        """Normalises images (B, 3, H, W) and stands before the first stage."""
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")
        return Walk((images - mean) / deviation)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C, H / 4, W / 4) of images (B, 3, H, W) in [0, 1]."""
        logits: Tensor = self.head(self.encoder(self.start(images).x))
        return logits

    def groups(self) -> dict[str, list[str]]:
        """The parts a user can name, each with its parameter names; disjoint and complete."""
        groups = {
            f"encoder.stage{i + 1}": [f"encoder.{name}" for name in self.encoder.group(i)]
            for i in range(len(self.encoder.stages))
        }
        groups["head"] = [f"head.{name}" for name, _ in self.head.named_parameters()]
        if self.early_head is not None:
            names = [name for name, _ in self.early_head.named_parameters()]
            groups["early_head"] = [f"early_head.{name}" for name in names]
        return groups


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, corners not aligned: (B, C, h, w) to (B, C, H, W), in torch's usual layout.

    Softmax over classes wants that layout, and reordering the small map is the cheaper way.
    """
    return F.interpolate(logits.contiguous(), size=size, mode="bilinear", align_corners=False)


def build_segmenter(
    encoder: str, *, classes: int, head_width: int | None = None, early_head: bool = True
) -> Segmenter:
    """A segmenter with random weights, drawn from torch's default generator.

    Args:
        encoder: a name of ``ENCODERS``.
        classes: number of classes.
        head_width: embedding width of both heads; None takes the encoder's published one.
        early_head: whether to build the head after stage 1.
    """
    body = ENCODERS[encoder]()
    width = HEAD_WIDTHS[encoder] if head_width is None else head_width
    head = MlpHead(body.channels, width=width, classes=classes)
    early = MlpHead(body.channels[:1], width=width, classes=classes) if early_head else None
    return Segmenter(body, head, early)
