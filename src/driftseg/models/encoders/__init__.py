"""Encoders by name: the whole table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from driftseg.models.encoders.efficientnet import EfficientNetLite0
from driftseg.models.encoders.mit import MIT_SIZES, Mit
from driftseg.models.encoders.stages import Encoder
from driftseg.models.encoders.swin import SWIN_SIZES, Swin

ENCODERS: dict[str, Callable[[], Encoder]] = {
    **{name: partial(Mit, size) for name, size in MIT_SIZES.items()},
    **{name: partial(Swin, size) for name, size in SWIN_SIZES.items()},
    "efficientnet_lite0": EfficientNetLite0,
}
"""Every encoder driftseg can build, with its published stochastic depth."""

HEAD_WIDTHS: dict[str, int] = {
    **{name: size.head_width for name, size in (MIT_SIZES | SWIN_SIZES).items()},
    "efficientnet_lite0": 128,
}
"""Embedding width of the all-MLP head: published for MiT (SegFormer and DAFormer's configs), and
SegFormer's for encoders as large for Swin."""

__all__ = ["ENCODERS", "HEAD_WIDTHS", "Encoder"]
