"""What stops training before it does harm."""

from __future__ import annotations

import warnings
from typing import Any


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
