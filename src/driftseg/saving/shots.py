"""One frame with its prediction, for savers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Image, Label

Probabilities = npt.NDArray[np.float16]
"""Probabilities, (C, h, w), at the head's resolution."""


@dataclass(frozen=True)
class Shot:
    """A frame, its prediction, and derived results."""

    index: int
    """Frame number from 0."""
    name: str
    """Name of the file, or the frame's number; the part before a slash is a folder."""
    image: Image
    label: Label
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For ``frames.jsonl``: times in ms, signal, event, what learns."""
    probabilities: Callable[[], Probabilities] | None = None
    """Computed on demand."""


def at_full_size(shot: Shot) -> Shot:
    """The label at the image's size, by the nearest pixel."""
    height, width = shot.image.shape[:2]
    if shot.label.shape == (height, width):
        return shot
    label = cv2.resize(shot.label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return replace(shot, label=np.asarray(label, dtype=np.uint8))


def class_shares(label: Label, classes: tuple[str, ...]) -> dict[str, float]:
    """Share of pixels of every class in the frame, rounded to four digits."""
    counts = np.bincount(label.ravel(), minlength=len(classes))
    total = max(label.size, 1)
    return {
        name: round(float(count) / total, 4)
        for name, count in zip(classes, counts, strict=False)
        if count
    }
