"""Whether a model still answers as it should, by a few images that it is asked about; no torch.

Every probe is an image with a known answer: its label, or what the source model says. What the
source model says of the same probe under mild changes is the band of what is ordinary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.frame import Label
from driftseg.labels import IGNORE

LEAST_SHARE = 0.005
"""Share of a probe's pixels from which a class counts in its agreement."""
LEAST_ROOM = 0.03
"""Room below the source model's agreement, however little mild changes do."""

LEAST_PART = 0.5
"""Part of the source model's agreement that is always asked for."""


@dataclass(frozen=True)
class Reading:
    """One answer to one probe."""

    agreement: float
    """Mean IoU with the reference over the classes that it holds, 0 to 1."""
    largest: float
    """Share of the class that is answered most."""
    entropy: float
    """Of the mean prediction, in nats."""
    confidence: float
    """Mean largest probability."""


@dataclass(frozen=True)
class Band:
    """What is ordinary for one probe."""

    plain: float
    """Agreement of the source model."""
    agreement: float
    """At least."""
    mild: float
    """Least agreement under mild changes."""
    largest: float
    """At most."""
    entropy: float
    """At least."""
    confidence: float
    """What mild changes reach at most."""


def agreement(answer: Label, reference: Label, classes: int) -> float:
    """Mean IoU of two label maps over the classes that the reference holds."""
    known = reference != IGNORE
    pairs = reference[known].astype(np.int64) * classes + answer[known].clip(0, classes - 1)
    counts = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    both, theirs, ours = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    held = theirs > LEAST_SHARE * max(int(theirs.sum()), 1)
    if not held.any():
        return 1.0
    return float((both[held] / (theirs + ours - both)[held]).mean())


def reading(
    answer: Label, reference: Label, probabilities: npt.NDArray[np.float32], confidence: float
) -> Reading:
    """What an answer says.

    Args:
        answer: (H, W).
        reference: (H, W), 255 where nothing is known.
        probabilities: (C,), their mean over pixels.
        confidence: mean largest probability.
    """
    counts = np.bincount(answer.ravel(), minlength=len(probabilities))
    mean = np.maximum(probabilities.astype(np.float64), 1e-12)
    return Reading(
        agreement(answer, reference, len(probabilities)),
        float(counts.max() / counts.sum()),
        float(-(mean * np.log(mean)).sum()),
        confidence,
    )


def band(plain: Reading, changed: Sequence[Reading], widen: float) -> Band:
    """The ordinary, widened.

    Args:
        plain: the source model's.
        changed: the source model's under mild changes.
        widen: factor on how far these move.
    """
    every = [plain, *changed]
    mild = min(one.agreement for one in every)
    largest = max(one.largest for one in every)
    return Band(
        plain=plain.agreement,
        agreement=max(
            plain.agreement - max(LEAST_ROOM, widen * (plain.agreement - mild)),
            LEAST_PART * plain.agreement,
        ),
        mild=mild,
        largest=1 - (1 - largest) / widen,
        entropy=min(one.entropy for one in every) / widen,
        confidence=max(one.confidence for one in every),
    )


def complaint(found: Reading, ordinary: Band) -> str | None:
    """What is wrong with an answer; None where nothing is."""
    if not np.isfinite([found.entropy, found.confidence]).all():
        return "not finite"
    if found.agreement < ordinary.agreement:
        return "agreement"
    if found.largest > ordinary.largest or found.entropy < ordinary.entropy:
        return "one class"
    if found.confidence > ordinary.confidence and found.agreement < ordinary.mild:
        return "sure and wrong"
    return None


class Checkup:
    """When a model is asked, and what its answers mean.

    One probe is asked at a time, in turn. A round is one answer to every probe.

    Args:
        every: learnt frames between two questions.
        pause: frames without learning after the first collapse; each further one doubles them,
            until a round is healthy.
    """

    def __init__(self, *, every: int, pause: int):
        self._every, self._pause = every, pause
        self.bands: list[Band] = []
        self._learnt = 0
        self._next = 0
        self._last: list[float] = []
        """Agreement of the last answers, one for each probe, minus the source model's."""
        self._passed = 0
        """Answers of this round that were in order."""
        self._collapses = 0
        """In a row."""
        self._left = 0
        """Frames of the pause that are still to come."""

    @property
    def paused(self) -> bool:
        """Whether learning waits after a collapse."""
        return self._left > 0

    def frame(self, *, learnt: bool, failed: bool = False) -> int | None:
        """A frame has gone by; which probe is to be asked now, if any.

        Args:
            learnt: whether a step was made.
            failed: whether a step was tried and its loss was not finite, which is suspicious.
        """
        self._left = max(0, self._left - 1)
        self._learnt += learnt
        due = learnt and self._learnt >= self._every
        if not self.bands or not (due or failed):
            return None
        self._learnt = 0
        return self._next % len(self.bands)

    def others(self, probe: int, count: int) -> list[int]:
        """Further probes, asked at once where one answer is suspicious."""
        known = len(self.bands)
        return [(probe + step) % known for step in range(1, min(count, known - 1) + 1)]

    def suspicion(self, probe: int, found: Reading) -> str | None:
        """What is wrong with an answer, or with the mean of the last answers to all probes."""
        self._next = probe + 1
        wrong = complaint(found, self.bands[probe])
        self._last = [*self._last, found.agreement - self.bands[probe].plain][-len(self.bands) :]
        if wrong is None and len(self._last) == len(self.bands):
            room = np.mean([one.plain - one.mild for one in self.bands])
            if np.mean(self._last) < -max(LEAST_ROOM, float(room)):
                return "decline"
        return wrong

    def healthy(self, readings: Mapping[int, Reading]) -> bool:
        """Whether answers to several probes are in order, each for itself and all together."""
        bands = {probe: self.bands[probe] for probe in readings}
        wrong = sum(complaint(found, bands[probe]) is not None for probe, found in readings.items())
        lost = np.mean([bands[probe].plain - found.agreement for probe, found in readings.items()])
        room = np.mean([one.plain - one.mild for one in bands.values()])
        return 2 * wrong < len(readings) and bool(lost <= max(LEAST_ROOM, float(room)))

    def passed(self) -> bool:
        """The answer was in order; True where it completes a round."""
        self._passed += 1
        if self._passed < len(self.bands):
            return False
        self._passed, self._collapses = 0, 0
        return True

    def collapsed(self) -> int:
        """Learning pauses; for how many frames."""
        self._left = self._pause * 2 ** min(self._collapses, 10)
        self._collapses += 1
        self._last, self._passed, self._learnt = [], 0, 0
        return self._left

    def state_dict(self) -> dict[str, Any]:
        """Bands and counts."""
        return {
            "bands": [asdict(one) for one in self.bands],
            "learnt": self._learnt,
            "next": self._next,
            "last": list(self._last),
            "passed": self._passed,
            "collapses": self._collapses,
            "left": self._left,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        self.bands = [Band(**one) for one in state["bands"]]
        self._learnt, self._next = state["learnt"], state["next"]
        self._last, self._passed = list(state["last"]), state["passed"]
        self._collapses, self._left = state["collapses"], state["left"]
