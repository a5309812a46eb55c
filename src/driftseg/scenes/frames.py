"""Settings that all sequences without labels share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from driftseg.labels import ClassesSettings, LabelSpace, named_space
from driftseg.scenes.dataset import DatasetSettings


class UnlabelledSettings(DatasetSettings, ClassesSettings):
    """Frames without labels."""

    label_space: str = "camvid11"
    """A preset, that of the checkpoint. ``classes`` states other classes."""

    def space(self) -> LabelSpace:
        """The label space of predictions."""
        classes = self.stated_classes()
        return named_space(self.label_space, "label_space") if classes is None else classes.space


class FrameRangeSettings(UnlabelledSettings):
    """Which frames of a sequence, and how large."""

    start: Annotated[int, Field(ge=0)] = 0
    """First frame kept."""
    stop: PositiveInt | None = None
    """Frame after the last one kept; null keeps the rest."""
    every: PositiveInt = 1
    """Keep every n-th frame."""
