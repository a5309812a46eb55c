"""The teacher's moving average."""

from __future__ import annotations


def momentum(step: int, largest: float) -> float:
    """min(1 - 1 / (t + 1), largest) at training step t, from 0 (methods A.3, step 1).

    Step 0 copies the student; while the first term rules, the teacher is the arithmetic mean of
    all students so far.
    """
    return min(1.0 - 1.0 / (step + 1), largest)
