"""Budgets: what a change is worth, and how it is spent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import Event
from driftseg.errors import InputError


def make(**changed) -> Budget:
    arguments = {
        "levels": Levels(0.8, 2.55), "step": 0.23, "base_iterations": 10, "most_iterations": 60,
        "share_back": (0.25, 0.75), "learning_rates": (1e-5, 5e-5), "mix_ratios": (0.5, 0.25),
        **changed,
    }  # fmt: skip
    return Budget(arguments.pop("levels"), **arguments)


def away(value: float, reference: float = 0.8) -> Event:
    return Event("away", value, reference, 1)


def back(value: float, reference: float) -> Event:
    return Event("back", value, reference, 0)


def spend(budget: Budget, frames: int) -> list:
    return [budget.plan() for _ in range(frames)]


def test_nothing_is_trained_before_the_first_change() -> None:
    plans = spend(make(), 500)
    assert not any(plan.train for plan in plans)
    assert {plan.iterations_left for plan in plans} == {0}


def test_start_training_spends_the_base_and_decays() -> None:
    plans = spend(make(start_training=True), 15)
    assert [plan.train for plan in plans] == [True] * 10 + [False] * 5
    assert plans[0].learning_rate == 1e-5
    assert plans[5].learning_rate == pytest.approx(0.5e-5)


def test_iterations_grow_with_the_change_and_the_rate_falls_linearly() -> None:
    budget = make()
    budget.grant(away(0.8 + 2.001 * 0.23))
    plans = spend(budget, 25)
    assert sum(plan.train for plan in plans) == 20
    rates = [plan.learning_rate for plan in plans[:20]]
    assert rates[10] == pytest.approx(rates[0] / 2)
    assert rates == sorted(rates, reverse=True)
    assert plans[0].iterations_left == 20


def test_the_way_back_is_granted_less() -> None:
    near, far = make(), make()
    near.grant(back(0.8, 0.8 + 4.001 * 0.23))
    far.grant(back(2.55, 2.55 + 4.001 * 0.23))
    assert sum(plan.train for plan in spend(near, 60)) == 10  # a quarter of 40
    assert sum(plan.train for plan in spend(far, 60)) == 30


def test_left_over_iterations_carry_over_up_to_the_cap() -> None:
    budget = make()
    budget.grant(away(0.8 + 3.001 * 0.23))
    spend(budget, 10)
    budget.grant(away(0.8 + 3.001 * 0.23))
    assert budget.plan().iterations_left == 50
    budget.grant(away(0.8 + 3.001 * 0.23))
    assert budget.plan().iterations_left == 60


def test_far_worlds_get_larger_rates_and_fewer_pasted_classes() -> None:
    near, far = make(), make()
    near.grant(away(0.8, 0.4))
    far.grant(away(9.0, 0.4))
    assert (near.plan().learning_rate, near.plan().mix_ratio) == (1e-5, 0.5)
    assert (far.plan().learning_rate, far.plan().mix_ratio) == (5e-5, 0.25)


@given(
    events=st.lists(st.tuples(st.floats(0, 4), st.floats(0, 4), st.integers(0, 40)), max_size=6),
    policy=st.sampled_from(["decay", "constant"]),
)
def test_laws(events: list, policy: str) -> None:
    """Never more than the cap; rates within their range; a plan to train has iterations left."""
    budget = make(rate_policy=policy)
    for value, reference, frames in events:
        way = "away" if value > reference else "back"
        budget.grant(Event(way, value, reference, 0))
        for plan in spend(budget, frames):
            assert plan.train == (plan.iterations_left > 0)
            assert 0 <= plan.iterations_left <= 60
            assert 0 <= plan.learning_rate <= 5e-5
            assert 0.25 <= plan.mix_ratio <= 0.5


def test_exact_continuation() -> None:
    whole, first, second = make(), make(), make()
    for budget in (whole, first):
        budget.grant(away(1.5))
        spend(budget, 7)
    second.load_state_dict(first.state_dict())
    assert spend(second, 40) == spend(whole, 40)


def test_levels_must_be_in_order() -> None:
    with pytest.raises(
        InputError, match="detector: expected a far_level above the source_level 2, got 1"
    ):
        make(levels=Levels(2.0, 1.0))
