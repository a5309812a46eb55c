"""What flows between the rooms: plain data, no logic.

Images are RGB, uint8, (H, W, 3), as a decoder or a camera gives them. Labels are uint8, (H, W),
class ids of the run's label space, 255 where nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # processes that only make pictures do without torch and its memory
    from torch import Tensor

Image = npt.NDArray[np.uint8]
Label = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What a dataset holds at one place, before any weather."""

    name: str
    """The file's stem or the frame's number; unique within its dataset."""
    image: Image
    label: Label | None = None
    depth: Depth | None = None
    """Distance along the optical axis in metres, (H, W); infinite where there is sky."""
    depth_source: str | None = None
    """Where the depth comes from, in words, for records; None is exact."""


@dataclass(frozen=True)
class Frame:
    """One image of the stream. A method is given ``image`` and nothing else of it."""

    index: int
    """Position in the stream, from 0."""
    visit: int
    """Position of the present domain in the schedule, from 0 (a storm visits clear twice)."""
    domain: str
    name: str
    image: Image
    label: Label | None


@dataclass(frozen=True)
class SourceBatch:
    """Labelled source images for training: what replay hands to a method."""

    images: Tensor
    """(B, 3, H, W), float32, RGB in [0, 1]."""
    labels: Tensor
    """(B, H, W), int64, class ids or 255."""


@dataclass(frozen=True)
class Prediction:
    """A method's answer for one image, made with the weights as they stood."""

    label: Label
    """(H, W), the image's size."""
    confidence: float
    """Mean over pixels of the largest class probability."""
    entropy: float
    """Mean over pixels of the entropy of the class probabilities, in nats."""


@dataclass(frozen=True)
class Adaptation:
    """What a method did with the frame after it had answered."""

    trained: bool
    losses: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float | None = None
    """Of the encoder's group; the head's is a stated multiple of it."""
    signal: float | None = None
    """The drift signal, where the method has one."""
    event: Mapping[str, Any] | None = None
    """The change found at this frame: `driftseg.control.drift.Event`."""
    detector: Mapping[str, Any] | None = None
    """What the drift detector sees: `driftseg.control.drift.Reading`."""
    plan: Mapping[str, Any] | None = None
    """What was to be done with the frame: iterations left, ClassMix ratio, first trained stage
    (``module``) and what spoke for it, costs in ms, and why training was skipped."""
    bank: Mapping[str, Any] | None = None
    """What a bank made of a change found at this frame: `driftseg.control.bank.Turn`, and the
    ``bytes`` that it holds."""
