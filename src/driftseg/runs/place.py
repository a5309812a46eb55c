"""The position of a run: all state of its loop between two frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from driftseg.evaluation.confusion import Score

NEVER = -2
"""Value of ``evaluated`` before any evaluation."""


@dataclass
class Place:
    """The position of a run at its start, or right after a frame or an evaluation."""

    score: Score
    """Score of the visit so far."""
    stream: dict[str, Any]
    """The stream's state after the last frame."""
    evaluated: int = NEVER
    """The visit before the last evaluation of held-out frames; -1 is before the first frame."""
    visit: int = 0
    seen: int = 0
    """Frames of the visit."""
    played: int = 0
    """Frames of the run without unreadable frames."""
    seconds: float = 0.0
    """Seconds of these frames."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """The last evaluation."""
    updates: int | None = None
    """Number of updates of the weights at the last evaluation."""

    def played_one(self, stream: dict[str, Any], *, seconds: float) -> None:
        """Records a frame; the stream's position is right after it."""
        self.stream = stream
        self.seen, self.played, self.seconds = (
            self.seen + 1,
            self.played + 1,
            self.seconds + seconds,
        )

    def next_visit(self) -> None:
        """Records the end of a visit and its evaluation."""
        self.visit, self.seen = self.visit + 1, 0
        self.score = Score(self.score.classes)

    def state_dict(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "score": self.score.state_dict(),
            "stream": self.stream,
            "evaluated": self.evaluated,
            "visit": self.visit,
            "seen": self.seen,
            "played": self.played,
            "seconds": self.seconds,
            "rows": self.rows,
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a saved position."""
        self.score.load_state_dict(state["score"])
        for name in state.keys() - {"score"}:
            setattr(self, name, state[name])
