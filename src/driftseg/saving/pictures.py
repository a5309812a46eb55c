"""Label maps as palette PNGs, and overlays of labels on images."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from driftseg.frame import Image, Label
from driftseg.labels import Colour


def label_png(label: Label, colours: Sequence[Colour]) -> bytes:
    """A PNG of class ids, 8 bits, with the classes' colours as palette."""
    picture = PillowImage.fromarray(label, mode="L").convert("L")
    indexed = PillowImage.frombytes("P", picture.size, picture.tobytes())
    flat = [value for colour in colours for value in colour]
    indexed.putpalette(flat + [0] * (768 - len(flat)))
    data = BytesIO()
    indexed.save(data, format="PNG", compress_level=1)
    return data.getvalue()


def painted(label: Label, colours: Sequence[Colour]) -> Image:
    """A label in its colours, RGB (H, W, 3); ids without a class are black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(colours)] = colours
    return np.asarray(table[label], dtype=np.uint8)


def overlay(image: Image, label: Label, colours: Sequence[Colour]) -> Image:
    """Class colours over the image, RGB (H, W, 3)."""
    mixed: npt.NDArray[np.uint16] = image.astype(np.uint16) + painted(label, colours)
    return np.asarray(mixed // 2, dtype=np.uint8)


def jpg(image: Image) -> bytes:
    """A JPEG of an RGB image."""
    data = BytesIO()
    PillowImage.fromarray(image).save(data, format="JPEG", quality=90)
    return data.getvalue()
