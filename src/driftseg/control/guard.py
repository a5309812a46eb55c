"""What stops training before it does harm."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveInt

from driftseg.settings import Settings

OFF, ON = ("off", False), ("on", True)


class GuardSettings(Settings):
    """What keeps adaptation from wrecking a model (docs/guard.md)."""

    check_every: PositiveInt = 33
    """Learnt frames between two probes that the model is asked about. One probe is one forward
    pass, so 33 cost at most 3 % of the passes that answer frames."""
    probes: Annotated[int, Field(ge=1, le=64)] = 8
    """Probe images: labelled source images, or else the first usable frames of the stream."""
    tolerance: Annotated[float, Field(ge=1)] = 2.0
    """Factor between what mild changes of a probe do to the source model's answer, and what counts
    as a collapse."""
    snapshots: PositiveInt = 3
    """Healthy states that are kept, besides that of the start."""
    pause: PositiveInt = 25
    """Frames without learning after a collapse. They double while collapses repeat."""
    frame_tolerance: Annotated[float, Field(ge=1)] = 4.0
    """Factor between what good frames show and what is not learnt from."""
    frozen_after: PositiveInt = 5
    """Frames that may repeat the one before them and are still learnt from."""


def _said(value: Any) -> Any:
    """``off`` and ``on`` as people and YAML write them."""
    if isinstance(value, str | bool):
        if value in OFF:
            return None
        if value in ON:
            return {}
    return value


Guarding = Annotated[GuardSettings | None, BeforeValidator(_said)]
"""A section, ``on`` for its defaults, or ``off``."""


class Guard:
    """Counts updates that were skipped because their loss was not finite.

    Several in a row pause training until the next event, with a warning. Where no events come,
    it goes on after a number of frames.

    Args:
        in_a_row: skipped updates after which training pauses.
        resume_after: frames that a pause lasts; None waits for an event.
    """

    def __init__(self, in_a_row: int = 3, *, resume_after: int | None = None):
        self._in_a_row = in_a_row
        self._resume_after = resume_after
        self._failed = 0
        self._waited = 0
        self.skipped = 0
        """Skipped updates since the start."""
        self.paused = False
        """Whether training waits."""

    def passed(self) -> None:
        """An update was made."""
        self._failed = 0

    def failed(self) -> None:
        """An update was skipped."""
        self.skipped += 1
        self._failed += 1
        if self._failed >= self._in_a_row and not self.paused:
            self.paused, self._waited = True, 0
            until = "the next change"
            if self._resume_after is not None:
                until = f"{self._resume_after} frames later"
            warnings.warn(
                f"expected a finite loss, got {self._failed} others in a row: training pauses "
                f"until {until}. To fix: lower the learning rate, or train less of the network",
                RuntimeWarning,
                stacklevel=2,
            )

    def frame(self) -> None:
        """A frame has gone by."""
        if self.paused and self._resume_after is not None:
            self._waited += 1
            if self._waited >= self._resume_after:
                self.resume()

    def resume(self) -> None:
        """An event gives training another chance."""
        self._failed, self.paused = 0, False

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {
            "failed": self._failed,
            "skipped": self.skipped,
            "paused": self.paused,
            "waited": self._waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on counting."""
        self._failed, self.skipped, self.paused = state["failed"], state["skipped"], state["paused"]
        self._waited = state["waited"]
