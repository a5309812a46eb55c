"""One answered frame, as it is handed to whoever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Image, Label

Probabilities = npt.NDArray[np.float16]
"""(C, h, w) on the head's grid."""


@dataclass(frozen=True)
class Shot:
    """A frame, its answer, and what was made of it."""

    index: int
    """From 0."""
    name: str
    """Of the file, or the frame's number; what stands before a slash is a folder."""
    image: Image
    label: Label
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For the line of numbers: times in ms, signal, event, what learns."""
    probabilities: Callable[[], Probabilities] | None = None
    """Computed by whoever wants them."""


def at_full_size(shot: Shot) -> Shot:
    """The label as large as its image, by the nearest pixel."""
    height, width = shot.image.shape[:2]
    if shot.label.shape == (height, width):
        return shot
    label = cv2.resize(shot.label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return replace(shot, label=np.asarray(label, dtype=np.uint8))


def class_shares(label: Label, classes: tuple[str, ...]) -> dict[str, float]:
    """Share of the pixels of every class that is there, rounded to four digits."""
    counts = np.bincount(label.ravel(), minlength=len(classes))
    total = max(label.size, 1)
    return {
        name: round(float(count) / total, 4)
        for name, count in zip(classes, counts, strict=False)
        if count
    }
