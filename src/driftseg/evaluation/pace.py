"""Frames of a stream with a pace: number of answered, late and dropped ones, and learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class PaceCounts:
    """Counts of frames, of one visit or of a whole stream."""

    frames: int
    answered: int
    """Predicted by the method itself; the others are dropped."""
    late: int
    """Answered with the weights from before a learning step in progress."""
    dropped: int
    """Not answered; the last prediction is scored."""
    learnt_from: int
    not_learnt_from: int
    """All others: late and dropped frames, and frames that the method chose not to learn from."""

    def __str__(self) -> str:
        return (
            f"{self.frames} frames: {self.answered} answered, {self.late} of them late; "
            f"{self.dropped} dropped; {self.learnt_from} learnt from, {self.not_learnt_from} not"
        )


def pace_counts(rows: Sequence[Mapping[str, Any]], visits: int) -> list[PaceCounts] | None:
    """Counts of each visit; None for a stream without a pace.

    Args:
        rows: of the record's frames.
        visits: number of visits.
    """
    if not any(row.get("pace") for row in rows):
        return None
    visit_of = {row["index"]: row["visit"] for row in rows}
    learnt = [visit_of[row["pace"]["learnt_from"]] for row in rows if row["trained"]]
    return [_counts(rows, visit, learnt.count(visit)) for visit in range(visits)]


def _counts(rows: Sequence[Mapping[str, Any]], visit: int, learnt_from: int) -> PaceCounts:
    became = [row["pace"]["frame"] for row in rows if row["visit"] == visit]
    frames, dropped = len(became), became.count("dropped")
    return PaceCounts(
        frames, frames - dropped, became.count("late"), dropped, learnt_from, frames - learnt_from
    )


def summed(counts: Iterable[PaceCounts]) -> PaceCounts:
    """The counts of all visits together."""
    every = [*counts]
    return PaceCounts(
        **{f.name: sum(getattr(c, f.name) for c in every) for f in fields(PaceCounts)}
    )
