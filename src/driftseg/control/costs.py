"""What every choice costs on the device in use: measured, kept fresh, and asked by deadlines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

RECENT = 15
"""Measurements whose median is the cost; old ones leave as the device warms up or is shared."""


class Costs:
    """Milliseconds of an answer, and of training with every choice.

    Args:
        choices: first trained stages, ascending: the smaller, the more is trained.
    """

    def __init__(self, choices: Iterable[int]):
        self._training: dict[int, deque[tuple[float, float]]] = {
            c: deque(maxlen=RECENT) for c in choices
        }
        self._answers: deque[float] = deque(maxlen=RECENT)

    def answered(self, milliseconds: float) -> None:
        """An answer took this long."""
        self._answers.append(milliseconds)

    def trained(self, choice: int, milliseconds: float) -> None:
        """Training with this choice took this long."""
        self._training[choice].append((milliseconds, self.answer_ms()))

    def training_ms(self) -> dict[int, float]:
        """Median of every choice that was measured."""
        return {
            choice: float(np.median([ms for ms, _ in times]))
            for choice, times in self._training.items()
            if times
        }

    def expected_ms(self) -> dict[int, float]:
        """What every choice that was measured would take now.

        Answers are measured at every frame, choices only when they are taken. So a choice is
        expected to have become slower or quicker as answers have since it was measured: one that
        was too slow on a busy device is not passed over for ever.
        """
        now = self.answer_ms()
        return {
            choice: float(np.median([ms * (now / then if then else 1.0) for ms, then in times]))
            for choice, times in self._training.items()
            if times
        }

    def answer_ms(self) -> float:
        """Median of answers; 0 before the first."""
        return float(np.median(self._answers)) if self._answers else 0.0

    def speeds(self) -> dict[int, float]:
        """Frames/s of whole frames (answer and training) of every choice that was measured."""
        answer = self.answer_ms()
        return {c: 1000 / max(answer + ms, 1e-6) for c, ms in self.training_ms().items()}

    def deepest(self, choices: Sequence[int], milliseconds: float) -> int | None:
        """The choice that trains most within a time; None when none fits or is known to fit."""
        known = self.expected_ms()
        fitting = [c for c in choices if c in known and known[c] <= milliseconds]
        return min(fitting) if fitting else None

    def state_dict(self) -> dict[str, Any]:
        """The recent measurements."""
        return {
            "training": {c: [list(pair) for pair in t] for c, t in self._training.items()},
            "answers": list(self._answers),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues with the measurements made before."""
        for choice, times in state["training"].items():
            self._training[int(choice)] = deque(map(tuple, times), maxlen=RECENT)
        self._answers = deque(state["answers"], maxlen=RECENT)
