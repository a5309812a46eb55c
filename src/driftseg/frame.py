"""Plain data that the parts of driftseg exchange.

Images are RGB, uint8, (H, W, 3). Labels are uint8, (H, W), with class ids of the run's label space
and 255 for pixels without a class.
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
    """One scene of a dataset, before any weather."""

    name: str
    """The file's stem or the frame's number; unique within its dataset."""
    image: Image
    label: Label | None = None
    depth: Depth | None = None
    """Distance along the optical axis in metres, (H, W); infinite for sky."""
    depth_source: str | None = None
    """The source of the depth in words, for records; None is exact depth."""


@dataclass(frozen=True)
class Frame:
    """One image of the stream. A method gets only ``image``."""

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
    """Labelled source images for training, from the replay."""

    images: Tensor
    """(B, 3, H, W), float32, RGB in [0, 1]."""
    labels: Tensor
    """(B, H, W), int64, class ids or 255."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image."""

    label: Label
    """(H, W), the image's size."""
    confidence: float
    """Mean over pixels of the largest class probability."""
    entropy: float
    """Mean over pixels of the entropy of the class probabilities, in nats."""


@dataclass(frozen=True)
class Adaptation:
    """The adaptation of a method after a prediction."""

    trained: bool
    losses: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float | None = None
    """Learning rate of the encoder. That of the head is a multiple of it."""
    signal: float | None = None
    """The drift signal, if the method has one."""
    event: Mapping[str, Any] | None = None
    """The change detected at this frame: `driftseg.control.drift.Event`."""
    detector: Mapping[str, Any] | None = None
    """The reading of the drift detector: `driftseg.control.drift.Reading`."""
    plan: Mapping[str, Any] | None = None
    """The plan for the frame: iterations left, ClassMix ratio, first trained stage (``module``)
    with its scores, costs in ms, and the reason for skipped training."""
    bank: Mapping[str, Any] | None = None
    """The action of a bank at a detected change: `driftseg.control.bank.Turn`, and the size of the
    bank in ``bytes``."""
    guard: Mapping[str, Any] | None = None
    """What the guard found at this frame: why it is ``unusable``, the answer to a ``probe``, and
    after a ``collapse`` the frame whose state was ``brought_back`` (0 is the start) and the frames
    of the ``pause``."""
