"""Where the depth of image files comes from: sections of the config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from driftseg.settings import Settings


class DepthPictures(Settings):
    """16-bit PNGs, laid and named like their images: metres are levels / scale, 0 is unknown."""

    files: Path
    """Folder that holds them, searched with all folders in it."""
    scale: Annotated[float, Field(gt=0)] = 256.0
    """Levels a metre; 256 is that of the depth published with Weather Cityscapes."""


class NetworkDepth(Settings):
    """A monocular depth network of transformers; needs the extra ``depth``."""

    network: str
    """A folder or hub id."""
    output: Literal["metric", "relative"] | None = None
    """Metres, or inverse depth that is fitted to the road plane; null takes what the network's
    config says."""


DepthSettings = Literal["none", "disparity"] | DepthPictures | NetworkDepth
"""none: the road plane and, where there are labels, these; disparity: Cityscapes' own, with its
camera files."""
