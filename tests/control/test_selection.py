"""Which stages learn, what they cost, and what stops them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftseg.control.costs import RECENT, Costs
from driftseg.control.guard import Guard
from driftseg.control.selection import (
    PUBLISHED_SPEEDS,
    FixedSelector,
    RandomSelector,
    RewardSelector,
    RoundRobinSelector,
    relative,
    speed_weights,
)

CHOICES = (1, 2, 3, 4)


def makers():
    return {
        "reward": lambda: RewardSelector(CHOICES, speeds=PUBLISHED_SPEEDS),
        "random": lambda: RandomSelector(CHOICES, np.random.default_rng(0)),
        "round_robin": lambda: RoundRobinSelector(CHOICES),
        "fixed": lambda: FixedSelector((3,)),
    }


def play(selector, losses) -> list[int]:
    chosen = []
    for loss in losses:
        chosen.append(selector.choose())
        selector.learn(loss, chosen[-1])
    return chosen


LOSSES = (1.0 + 0.1 * np.random.default_rng(1).normal(size=40)).tolist()


@pytest.mark.parametrize("name", makers())
def test_exact_continuation(name: str) -> None:
    whole, first, second = (makers()[name]() for _ in range(3))
    everything = play(whole, LOSSES)
    begun = play(first, LOSSES[:13])
    second.load_state_dict(first.state_dict())
    assert begun + play(second, LOSSES[13:]) == everything


def test_round_robin_fixed_and_random() -> None:
    assert play(makers()["round_robin"](), LOSSES[:6]) == [1, 2, 3, 4, 1, 2]
    assert play(makers()["fixed"](), LOSSES[:3]) == [3, 3, 3]
    assert set(play(makers()["random"](), LOSSES)) == set(CHOICES)


def test_the_first_choice_trains_most() -> None:
    assert makers()["reward"]().choose() == 1


def test_a_gain_is_credited_to_the_choice_before() -> None:
    selector = RewardSelector((1, 2), speeds=None)
    selector.learn(1.0, 2)
    selector.learn(0.5, 1)  # the step made with 2 lowered this loss
    assert selector.histogram() == {1: 0.0, 2: pytest.approx(0.05)}


def rewarded(losses, choice: int, **settings) -> float:
    selector = RewardSelector((1, 4), speeds={1: 4.0, 4: 6.0}, **settings)
    for loss in losses:
        selector.learn(loss, choice)
    return selector.histogram()[choice]


def test_quick_choices_are_rewarded_and_punished_more() -> None:
    assert rewarded((1.0, 0.5), 4) > rewarded((1.0, 0.5), 1) > 0
    assert rewarded((1.0, 2.0), 4) < rewarded((1.0, 2.0), 1) < 0


def test_noise_favours_quick_choices_that_are_punished_less() -> None:
    """Why that is not the default."""
    settings = {"punish_quick_less": True}
    assert rewarded((1.0, 2.0), 1, **settings) < rewarded((1.0, 2.0), 4, **settings) < 0
    share = {}
    for name, made in (("default", {}), ("punish_quick_less", settings)):
        chosen = []
        for seed in range(10):
            noise = np.random.default_rng(seed).normal(1.0, 0.2, 300).tolist()
            chosen += play(RewardSelector(CHOICES, speeds=PUBLISHED_SPEEDS, **made), noise)
        share[name] = [chosen.count(n) / len(chosen) for n in CHOICES]
    assert share["punish_quick_less"] == sorted(share["punish_quick_less"])
    assert share["punish_quick_less"][3] > 0.33 > share["default"][3]


@given(st.floats(0.01, 1000))
def test_only_proportions_of_measured_speeds_matter(factor: float) -> None:
    scaled = relative({n: speed * factor for n, speed in PUBLISHED_SPEEDS.items()})
    assert list(scaled.values()) == pytest.approx(list(PUBLISHED_SPEEDS.values()))


def test_measured_speeds_replace_the_constants() -> None:
    selector = RewardSelector(CHOICES, speeds=PUBLISHED_SPEEDS)
    selector.set_speeds({1: 10.0, 2: 20.0, 3: 30.0, 4: 400.0})
    weights = selector.state_dict()["weights"]
    assert weights[4] > 0.9 > speed_weights(PUBLISHED_SPEEDS, temperature=1.75)[4]
    untimed = RewardSelector(CHOICES, speeds=None)
    untimed.set_speeds({1: 10.0, 2: 20.0, 3: 30.0, 4: 400.0})
    assert untimed.state_dict()["weights"] is None


class TestCosts:
    def test_medians_of_recent_measurements(self) -> None:
        costs = Costs((1, 4))
        for ms in (100.0, 110.0, 5000.0):
            costs.trained(1, ms)
        costs.answered(10.0)
        assert costs.training_ms() == {1: 110.0}
        assert costs.speeds() == {1: pytest.approx(1000 / 120)}
        for _ in range(RECENT):
            costs.trained(1, 50.0)
        assert costs.training_ms() == {1: 50.0}

    def test_deepest_that_fits(self) -> None:
        costs = Costs(CHOICES)
        for choice, ms in ((1, 100.0), (2, 80.0), (4, 20.0)):
            costs.trained(choice, ms)
        assert costs.deepest(CHOICES, 1000) == 1
        assert costs.deepest(CHOICES, 99) == 2
        assert costs.deepest(CHOICES, 79) == 4  # 3 was never measured: it is not known to fit
        assert costs.deepest(CHOICES, 19) is None

    def test_choices_become_quicker_and_slower_with_answers(self) -> None:
        """Timed while answers took 30 ms, on a busy device; then it is quiet, then busier."""
        costs = Costs(CHOICES)
        costs.answered(30.0)
        for choice, ms in ((1, 300.0), (4, 60.0)):
            costs.trained(choice, ms)
        assert costs.deepest(CHOICES, 110) == 4
        for _ in range(RECENT):
            costs.answered(10.0)
        assert costs.expected_ms() == {1: pytest.approx(100.0), 4: pytest.approx(20.0)}
        assert costs.training_ms() == {1: 300.0, 4: 60.0}
        assert costs.deepest(CHOICES, 110) == 1
        for _ in range(RECENT):
            costs.answered(60.0)
        assert costs.deepest(CHOICES, 110) is None

    def test_exact_continuation(self) -> None:
        first, second = Costs(CHOICES), Costs(CHOICES)
        first.answered(2.0)
        first.trained(2, 5.0)
        first.answered(1.0)
        second.load_state_dict(first.state_dict())
        assert second.state_dict() == first.state_dict()
        assert second.expected_ms() == first.expected_ms()


class TestGuard:
    def test_three_in_a_row_pause_until_the_next_event(self) -> None:
        guard = Guard()
        guard.failed()
        guard.failed()
        guard.passed()
        guard.failed()
        guard.failed()
        assert not guard.paused
        with pytest.warns(
            RuntimeWarning, match="a finite loss, got 3 others in a row: training pauses"
        ):
            guard.failed()
        assert guard.paused
        assert guard.skipped == 5
        guard.resume()
        assert not guard.paused
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            guard.failed()

    def test_exact_continuation(self) -> None:
        first, second = Guard(), Guard()
        first.failed()
        first.failed()
        second.load_state_dict(first.state_dict())
        with pytest.warns(RuntimeWarning):
            second.failed()
        assert second.paused
