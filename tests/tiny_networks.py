"""An encoder that no table holds: Swin as small as it gets with every kind of part in it."""

from __future__ import annotations

from driftseg.models.encoders.swin import Swin, SwinSize
from driftseg.models.heads import MlpHead
from driftseg.models.segmenter import Segmenter, build_segmenter

TINY_SWIN = SwinSize((16, 32, 64, 128), (2, 1, 2, 2), (1, 2, 4, 4))


def build(encoder: str, *, classes: int, head_width: int) -> Segmenter:
    """As ``build_segmenter``, which knows no "tiny_swin"."""
    if encoder != "tiny_swin":
        return build_segmenter(encoder, classes=classes, head_width=head_width)
    body = Swin(TINY_SWIN)
    return Segmenter(
        body,
        MlpHead(body.channels, width=head_width, classes=classes),
        MlpHead(body.channels[:1], width=head_width, classes=classes),
    )
