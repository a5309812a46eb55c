"""What a user may set of adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from driftseg.models.adapters.spec import WIDEST, Activation, Kind, Where
from driftseg.models.encoders.sites import Target
from driftseg.settings import Positive, Settings

Stage = Literal[1, 2, 3, 4]


class Adapters(Settings):
    """Small trainable parts in the encoder (docs/adapters.md).

    Null takes the kind's default; what a kind does not have cannot be set.
    """

    kind: Kind
    where: Where = "block"
    """block: in every block of the stages. stage: on the map that each stage puts out."""
    stages: Annotated[list[Stage], Field(min_length=1)] = [1, 2, 3, 4]
    width: Annotated[int, Field(ge=1, le=WIDEST)] | None = None
    """Channels of the bottleneck; or set ``ratio``. AdaptFormer: 64. Convpass: 8."""
    ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    """Those channels over the width of the place, which differs from stage to stage. Bottleneck:
    1/16, Pfeiffer's. Convolution: 1/4."""
    rank: PositiveInt | None = None
    """Of lora: 8, as in peft."""
    alpha: Positive | None = None
    """Of lora, whose update is scaled by alpha / rank: 8, as in peft."""
    targets: list[Target] | None = None
    """Of lora: which linear maps; the paper's are query and value."""
    activation: Activation | None = None
    """Of bottleneck and convolution: relu."""
    depthwise: bool | None = None
    """Of convolution: whether its 3x3 kernel is one per channel; true."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """AdaptFormer and Convpass: .1. Others: 0."""
    scale: Positive | None = None
    """Factor of what is added. AdaptFormer: .1. Others: 1."""
    learnable_scale: bool | None = None
    """Of adaptformer and bottleneck: whether ``scale`` is only where it starts; false."""
    factor: Positive = 10.0
    """Adapters learn this many times as fast as the encoder would: as the heads, for both start
    from little. Published rates are 1e-3 to 1e-2."""
    file: Path | None = None
    """Values to start from, written by a run with ``keep_checkpoint``; null starts from nothing."""
