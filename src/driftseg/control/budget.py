"""How much to learn after a change: from an event to a plan for every frame (HAMLET, ICCV 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from driftseg.control.drift import Event
from driftseg.errors import InputError

RatePolicy = Literal["decay", "constant", "burst"]
"""decay: the rate falls linearly to 0 over the iterations (adaptive_slope in the released code).
constant: it stays. burst: it starts high with the size of the change and falls over the base
iterations, without carry-over or cap (adaptive_init)."""


@dataclass(frozen=True)
class Levels:
    """What the signal is at the source and far away from it.

    HAMLET's 0.8 and 2.55 fit Cityscapes with MiT-B1 only; `driftseg calibrate` learns others.
    """

    source: float
    far: float

    def between(self, value: float, at_source: float, at_far: float) -> float:
        """Linear between two numbers by the signal's level, clamped at both."""
        return float(np.interp(value, [self.source, self.far], [at_source, at_far]))


@dataclass(frozen=True)
class Plan:
    """What is to be done with one frame."""

    train: bool
    learning_rate: float
    """Of the encoder."""
    mix_ratio: float
    """Share of the source label's classes that ClassMix pastes."""
    iterations_left: int
    """Before this frame; 0 when it is not trained on."""


class Budget:
    """Grants training iterations after a change and spends one a frame.

    Args:
        levels: the signal at the source and far away.
        step: difference of the signal that is worth ``base_iterations``; the detector's rise.
        base_iterations: HAMLET's 750 are for domains of 3 x 2975 frames.
        most_iterations: cap, carried-over ones included. HAMLET's: 4450.
        share_back: share of the base granted for a change back, at the source's level and far
            away. HAMLET's: .25, .75.
        learning_rates: of the encoder, at the source's level and far away. HAMLET's: 1.5e-5,
            6e-5.
        mix_ratios: ClassMix's, at the source's level and far away. HAMLET's: .5, .25.
        rate_policy: how the learning rate goes on after a change.
        largest_rate: of ``burst``. HAMLET's: 1e-3.
        start_training: train from the first frame, for ``base_iterations``; otherwise nothing is
            trained before the first change.
    """

    def __init__(
        self,
        levels: Levels,
        *,
        step: float,
        base_iterations: int,
        most_iterations: int,
        share_back: tuple[float, float],
        learning_rates: tuple[float, float],
        mix_ratios: tuple[float, float],
        rate_policy: RatePolicy = "decay",
        largest_rate: float = 1e-3,
        start_training: bool = False,
    ):
        if not levels.far > levels.source:
            raise InputError(
                f"detector: expected a far_level above the source_level {levels.source:g}, got "
                f"{levels.far:g}. To fix: set far_level above source_level"
            )
        self._levels, self._step = levels, step
        self._base, self._most = base_iterations, most_iterations
        self._share_back = share_back
        self._rates, self._mix_ratios = learning_rates, mix_ratios
        self._policy, self._largest_rate = rate_policy, largest_rate
        self._granted: float = base_iterations if start_training else 0
        self._used = 0
        self._decay_over: float = self._granted
        self._rate = self._rate_used = learning_rates[0]
        self._mix_ratio = mix_ratios[0]
        self._answered = start_training

    def plan(self) -> Plan:
        """The plan for the next frame, which is counted whether it is trained on or not."""
        train = self._used < self._granted
        left = max(math.ceil(self._granted) - self._used, 0)
        self._rate_used = self._current_rate()
        self._used += 1
        return Plan(train, self._rate_used, self._mix_ratio, left)

    def grant(self, event: Event) -> None:
        """Grants iterations for a change; what is left of the last grant carries over."""
        share = 1.0
        if event.direction == "back":
            share = self._levels.between(event.value, *self._share_back)
        base = self._base * share
        size = abs(event.value - event.reference) / self._step
        rate = self._levels.between(event.value, *self._rates)
        if self._policy == "burst":
            burst = min(2 * size * self._rates[0], self._largest_rate)
            rate = min(burst + self._rate_used, self._largest_rate)
            self._granted, self._decay_over = base, self._base
        else:
            left = max(self._granted - self._used, 0.0)
            self._granted = min(int(size * base) + left, self._most)
            self._decay_over = self._granted
        self._used, self._rate, self._answered = 0, rate, True
        self._mix_ratio = self._levels.between(event.value, *self._mix_ratios)

    def _current_rate(self) -> float:
        if self._policy == "constant" or not self._answered:
            return self._rate
        done = self._used / self._decay_over if self._decay_over else 1.0
        return max(self._rate * (1 - done), 0.0)

    def state_dict(self) -> dict[str, Any]:
        """What was granted and what was used of it."""
        names = ("granted", "used", "decay_over", "rate", "rate_used", "mix_ratio", "answered")
        return {name: getattr(self, f"_{name}") for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a budget made with the same arguments."""
        for name, value in state.items():
            setattr(self, f"_{name}", value)
