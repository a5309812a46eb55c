"""The pace of a stream that does not wait for the method (Alfarra et al., ICML 2024)."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, NonNegativeFloat, model_validator

from driftseg.settings import Positive, Settings, is_none


class PaceCosts(Settings):
    """The cost of an answer and of a learning step, in place of measured times.

    Either in milliseconds, or relative to one answer of the source model. With ``relative``,
    ``predict_ms`` is also the time of one answer of the source model.
    """

    predict_ms: Positive | None = Field(default=None, exclude_if=is_none)
    """Of an answer of the method, in milliseconds."""
    learn_ms: NonNegativeFloat | None = Field(default=None, exclude_if=is_none)
    """Of a learning step, in milliseconds."""
    predict: Positive | None = Field(default=None, exclude_if=is_none)
    """Of an answer of the method, in answers of the source model; null is 1."""
    learn: NonNegativeFloat | None = Field(default=None, exclude_if=is_none)
    """Of a learning step, in answers of the source model."""

    @model_validator(mode="after")
    def _one_unit(self) -> PaceCosts:
        milliseconds = (self.predict_ms, self.learn_ms)
        relative = (self.predict, self.learn)
        if milliseconds != (None, None) and relative != (None, None):
            raise ValueError(
                "expected costs in one unit, got costs in milliseconds and relative costs. To fix: "
                "set predict_ms and learn_ms, or predict and learn"
            )
        if milliseconds == (None, None) and self.learn is None:
            raise ValueError(
                "expected the cost of a learning step, got none. To fix: set learn, or predict_ms "
                "and learn_ms"
            )
        if milliseconds != (None, None) and None in milliseconds:
            missing = "predict_ms" if self.predict_ms is None else "learn_ms"
            raise ValueError(
                f"expected predict_ms and learn_ms, got one of them. To fix: set {missing}, too"
            )
        return self

    @property
    def in_milliseconds(self) -> bool:
        """The unit; otherwise it is one answer of the source model."""
        return self.predict_ms is not None

    @property
    def answer(self) -> float:
        """Of an answer of the method."""
        return self.predict_ms or self.predict or 1.0

    @property
    def step(self) -> float:
        """Of a learning step."""
        return self.learn_ms or self.learn or 0.0


class PaceSettings(Settings):
    """A stream that does not wait: its frames come at constant speed while the method works.

    A frame that comes during a learning step is not learnt from.
    """

    frames_per_second: Positive | None = Field(default=None, exclude_if=is_none)
    """Frames of the stream per second."""
    relative: Positive | None = Field(default=None, exclude_if=is_none)
    """Frames of the stream in the time of one answer of the source model. 1 is one frame per
    answer; 0.25 is a stream of a quarter of that speed."""
    policy: Literal["answer", "drop"] = "answer"
    """The answer to a frame that comes during a learning step. answer: the weights before the step
    answer it. drop: the method does not answer it, and its last answer is scored."""
    costs: PaceCosts | None = None
    """A table of costs, which gives the same record on every machine; null measures times on this
    machine."""

    @model_validator(mode="after")
    def _one_speed(self) -> PaceSettings:
        if (self.frames_per_second is None) == (self.relative is None):
            got = "none" if self.relative is None else "both"
            raise ValueError(
                f"expected either frames_per_second or relative, got {got}. To fix: set one of the "
                "two, or pace to null for a stream that waits"
            )
        costs = self.costs
        if self.frames_per_second is not None and costs is not None and not costs.in_milliseconds:
            raise ValueError(
                "expected costs in milliseconds for a speed in frames per second, got relative "
                "costs. To fix: set costs.predict_ms and costs.learn_ms, or relative in place of "
                "frames_per_second"
            )
        return self

    def interval(self, plain: float) -> float:
        """Time between two frames.

        Args:
            plain: time of one answer of the source model; the unit is milliseconds with
                ``frames_per_second``.
        """
        if self.relative is not None:
            return plain / self.relative
        assert self.frames_per_second is not None
        return 1000 / self.frames_per_second

    def __str__(self) -> str:
        if self.frames_per_second is not None:
            return f"{self.frames_per_second:g} frames/s"
        return f"{self.relative:g} frames per answer of the source model"


def intervals(duration: float, interval: float, *, slack: float) -> int:
    """Number of frame intervals that work takes; work that starts with a frame takes at least one.

    Args:
        duration: of the work.
        interval: between two frames, in the same unit.
        slack: share of an interval that the work may be longer and still count as in time.
    """
    return max(1, math.ceil(duration / interval - slack))
