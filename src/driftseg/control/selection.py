"""Which part of the network to train: stages n to 4, chosen anew for every trained frame.

A choice is the number n of the first stage that learns; the smaller it is, the more is trained
and the longer a frame takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from driftseg.control.costs import Costs

PUBLISHED_SPEEDS = {1: 4.21, 2: 4.83, 3: 5.11, 4: 5.73}
"""Frames/s of HAMLET's training step for n = 1 to 4, constants of its released code."""


class Selector(Protocol):
    """Chooses the first trained stage and learns from how it went."""

    def choose(self) -> int:
        """The choice for this frame."""
        ...

    def learn(self, loss: float, chosen: int) -> None:
        """The mixed loss of the frame just trained, made with ``chosen``."""
        ...

    def set_speeds(self, speeds: Mapping[int, float]) -> None:
        """Frames/s of every choice, as measured; any unit, only ratios matter."""
        ...

    def histogram(self) -> dict[int, float]:
        """What speaks for every choice."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...


class RewardSelector:
    """HAMT: the choice whose training has lowered the loss most for its time (HAMLET, ICCV 2023).

    The expected loss goes on in a straight line from the last two; what the new loss is below
    it is the gain of the choice trained one frame before, since that step made the new loss.
    Gains are weighted by the choice's speed and averaged exponentially; the largest average is
    chosen, the smallest number among equals.

    A loss that rose is weighted like one that fell, as in the released code. It has a branch for
    another weight there, which is never taken; ``punish_quick_less`` takes it.

    Args:
        choices: first trained stages, ascending.
        speeds: frames/s of every choice; None counts time for nothing.
        rate: of the average. HAMLET's: .1.
        temperature: of the softmax that turns speeds into weights. HAMLET's: 1.75.
        punish_quick_less: weigh losses that rose by 1 - weight. Noisy losses then favour
            the fastest choice.
    """

    def __init__(
        self,
        choices: Sequence[int],
        *,
        speeds: Mapping[int, float] | None,
        rate: float = 0.1,
        temperature: float = 1.75,
        punish_quick_less: bool = False,
    ):
        self.choices = tuple(choices)
        self._rate, self._temperature = rate, temperature
        self._punish_quick_less = punish_quick_less
        self._weights: dict[int, float] | None = None
        if speeds is not None:
            self._weights = speed_weights(speeds, temperature=temperature)
        self._averages = dict.fromkeys(self.choices, 0.0)
        self._last: tuple[float, float] | None = None
        self._before: int | None = None

    def choose(self) -> int:
        """The largest average gain."""
        return max(self.choices, key=lambda choice: (self._averages[choice], -choice))

    def learn(self, loss: float, chosen: int) -> None:
        """Credits the choice of the frame before."""
        if self._last is None or self._before is None:
            self._last, self._before = (loss, loss), chosen
        expected = 2 * self._last[0] - self._last[1]
        gain = expected - loss
        for choice in self.choices:
            self._averages[choice] *= 1 - self._rate
        self._averages[self._before] += self._rate * self._weighted(gain, self._before)
        self._last = (loss, self._last[0])
        self._before = chosen

    def _weighted(self, gain: float, choice: int) -> float:
        if self._weights is None:
            return gain
        weight = self._weights[choice]
        if gain < 0 and self._punish_quick_less:
            weight = 1 - weight
        return gain * weight

    def set_speeds(self, speeds: Mapping[int, float]) -> None:
        """Weighs from now on by other speeds; without weights it stays so."""
        if self._weights is not None:
            self._weights = speed_weights(relative(speeds), temperature=self._temperature)

    def histogram(self) -> dict[int, float]:
        """The average gains."""
        return dict(self._averages)

    def state_dict(self) -> dict[str, Any]:
        """Averages, weights, and the last two losses."""
        return {
            "averages": dict(self._averages),
            "weights": None if self._weights is None else dict(self._weights),
            "last": self._last,
            "before": self._before,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a selector made with the same arguments."""
        self._averages = {int(k): v for k, v in state["averages"].items()}
        weights = state["weights"]
        self._weights = None if weights is None else {int(k): v for k, v in weights.items()}
        self._last = None if state["last"] is None else (state["last"][0], state["last"][1])
        self._before = state["before"]


class _Unlearning:
    """What selectors share that do not learn from losses."""

    def __init__(self, choices: Sequence[int]):
        self.choices = tuple(choices)

    def learn(self, loss: float, chosen: int) -> None:
        """Nothing to learn."""

    def set_speeds(self, speeds: Mapping[int, float]) -> None:
        """Time does not matter to it."""

    def histogram(self) -> dict[int, float]:
        """Nothing speaks for one choice more than for another."""
        return {}


class FixedSelector(_Unlearning):
    """Always the same choice."""

    def choose(self) -> int:
        """The only one."""
        return self.choices[0]

    def state_dict(self) -> dict[str, Any]:
        """Nothing moves."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class RoundRobinSelector(_Unlearning):
    """One after the other, most trained first."""

    def __init__(self, choices: Sequence[int]):
        super().__init__(choices)
        self._next = 0

    def choose(self) -> int:
        """The next one."""
        choice = self.choices[self._next]
        self._next = (self._next + 1) % len(self.choices)
        return choice

    def state_dict(self) -> dict[str, Any]:
        """Whose turn it is."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on."""
        self._next = state["next"]


class RandomSelector(_Unlearning):
    """Every choice as likely.

    Args:
        choices: first trained stages.
        generator: draws.
    """

    def __init__(self, choices: Sequence[int], generator: np.random.Generator):
        super().__init__(choices)
        self._generator = generator

    def choose(self) -> int:
        """Any of them."""
        return int(self._generator.choice(self.choices))

    def state_dict(self) -> dict[str, Any]:
        """The generator's state."""
        return {"generator": self._generator.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on."""
        self._generator.bit_generator.state = state["generator"]


def speed_weights(speeds: Mapping[int, float], *, temperature: float) -> dict[int, float]:
    """Softmax over speeds / temperature."""
    values: npt.NDArray[np.float64] = np.array(list(speeds.values()), dtype=np.float64)
    powers = np.exp((values - values.max()) / temperature)
    return dict(zip(speeds, (powers / powers.sum()).tolist(), strict=True))


def relative(speeds: Mapping[int, float]) -> dict[int, float]:
    """Speeds scaled to the mean of the published ones.

    The softmax of frames/s would choose by nothing but time on a device ten times as fast; on
    this scale a device with the published proportions gives the published weights.
    """
    published = float(np.mean(list(PUBLISHED_SPEEDS.values())))
    mean = float(np.mean(list(speeds.values())))
    return {choice: speed / mean * published for choice, speed in speeds.items()}


def choose_within(milliseconds: float, choices: Sequence[int], costs: Costs) -> int | None:
    """The deadline rule: the choice that trains most and fits; None when none does."""
    return costs.deepest(tuple(choices), milliseconds)
