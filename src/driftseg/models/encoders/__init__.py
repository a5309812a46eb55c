"""Encoders by name: the whole table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from driftseg.errors import InputError, commas
from driftseg.models.encoders.efficientnet import EfficientNetLite0
from driftseg.models.encoders.mit import MIT_SIZES, Mit
from driftseg.models.encoders.stages import Encoder
from driftseg.models.encoders.swin import SWIN_SIZES, Swin
from driftseg.parts import PartTable

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
"""Embedding width of the all-MLP head: published for MiT (SegFormer and DAFormer's configs); for
Swin, SegFormer's width for encoders of that size."""

OTHERS: PartTable[Callable[[], Encoder]] = PartTable("encoder", {}, group="driftseg.encoders")
"""Users' encoders: by entry point, or ``package.module:make``."""


def make_encoder(name: str, *, where: str = "encoder") -> Encoder:
    """An encoder with random weights, drawn from torch's default generator.

    Args:
        name: of ``ENCODERS``, of an entry point, or ``package.module:make``, a function without
            arguments.
        where: the setting that names it, for messages.

    Raises:
        InputError: there is no such encoder, or the result is not an `Encoder` of four stages.
    """
    if name in ENCODERS:
        return ENCODERS[name]()
    if not may_be_encoder(name):
        raise InputError(
            f"{where}: expected a known encoder, got {name!r}. To fix: take one of "
            f"{commas([*ENCODERS, *OTHERS.names()])}, or package.module:make of your own"
        )
    encoder = OTHERS.find(name, where=where)()
    if not isinstance(encoder, Encoder) or len(encoder.stages) != 4 or len(encoder.channels) != 4:
        raise InputError(
            f"{where}: expected a subclass of driftseg.models.encoders.Encoder with four stages "
            f"and four channels, got {name}, which makes a {type(encoder).__name__}. To fix: "
            "return such an encoder"
        )
    return encoder


def may_be_encoder(name: str) -> bool:
    """Whether `make_encoder` may find it; a user's encoder is imported only there."""
    return name in ENCODERS or ":" in name or name in OTHERS.names()


def head_width_of(name: str, encoder: Encoder) -> int:
    """Default embedding width of the all-MLP head."""
    return HEAD_WIDTHS.get(name, encoder.head_width)


__all__ = ["ENCODERS", "HEAD_WIDTHS", "Encoder", "head_width_of", "make_encoder", "may_be_encoder"]
