"""The teacher's moving average."""

from __future__ import annotations


def momentum(step: int, largest: float) -> float:
    """min(1 - 1 / (t + 1), largest) at training step t, from 0 (as in DACS, WACV 2021).

    Step 0 copies the student. While the first term is the smaller one, the teacher is the
    arithmetic mean of all students so far.
    """
    return min(1.0 - 1.0 / (step + 1), largest)
