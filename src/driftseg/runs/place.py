"""How far a run has come: everything that its loop remembers between two frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from driftseg.evaluation.confusion import Score

NEVER = -2
"""As ``evaluated``: not even before the first frame."""


@dataclass
class Place:
    """Where a run stands, right after a frame, an evaluation, or nothing yet."""

    score: Score
    """Of the visit so far."""
    stream: dict[str, Any]
    """The stream's state after the frame last played."""
    evaluated: int = NEVER
    """The visit after which held-out frames were last scored; -1 is before the first frame."""
    visit: int = 0
    seen: int = 0
    """Frames of the visit."""
    played: int = 0
    """Frames of the run, those that could not be read left out."""
    seconds: float = 0.0
    """That they took."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """The last evaluation."""
    updates: int | None = None
    """Of the weights, when it was made."""

    def played_one(self, stream: dict[str, Any], *, seconds: float) -> None:
        """A frame was played; the stream stands right after it."""
        self.stream = stream
        self.seen, self.played, self.seconds = (
            self.seen + 1,
            self.played + 1,
            self.seconds + seconds,
        )

    def next_visit(self) -> None:
        """The visit is over, and held-out frames are scored."""
        self.visit, self.seen = self.visit + 1, 0
        self.score = Score(self.score.classes)

    def state_dict(self) -> dict[str, Any]:
        """Everything."""
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
        """Goes on where another stood."""
        self.score.load_state_dict(state["score"])
        for name in state.keys() - {"score"}:
            setattr(self, name, state[name])
