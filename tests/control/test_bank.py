"""The bank: what is stored, what comes back, and what a false alarm does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.control.bank import Bank, Turn, distance
from driftseg.errors import InputError


def signature(mean: float, deviation: float = 1.0) -> np.ndarray:
    return np.array([[mean, mean], [deviation, deviation]])


def bank(**changes) -> Bank:
    return Bank(**{"domains": 8, "recent": 3, "nearer": 0.8, **changes})


@dataclass
class Change:
    """What the bank said at a change, and at the second look where that brought something back."""

    turn: Turn
    state: Any
    later: Turn | None = None


def stay(of: Bank, mean: float, frames: int, change: Change | None = None) -> None:
    """Scenes differ a little, by turns; a second look is told to the change before."""
    for number in range(frames):
        second = of.see(signature(mean + 0.03 * (number % 4)))
        if second is not None:
            assert change is not None
            change.later, change.state = second


def walk(of: Bank, means, frames: int = 18, seen: int = 3) -> list[Change]:
    """Visits of ``frames`` frames, each change being found ``seen`` frames late."""
    changes: list[Change] = []
    for number, mean in enumerate(means):
        stay(of, mean, seen, changes[-1] if changes else None)
        if number:
            changes.append(Change(*of.change(f"learnt in {means[number - 1]:g}")))
        stay(of, mean, frames - seen, changes[-1] if changes else None)
    return changes


class TestReturns:
    @pytest.mark.parametrize("seen", [1, 2, 3])
    def test_what_was_learnt_in_a_domain_comes_back_with_it(self, seen: int) -> None:
        """Also where a change is found so early that most frames looked at are the old domain's."""
        changes = walk(bank(), [0, 5, 0, 5, 2, 0], seen=seen)
        assert [c.turn.stored for c in changes] == [0, 1, 0, 1, 2]
        assert [c.state for c in changes] == [
            None, "learnt in 0", "learnt in 5", "learnt in 0", "learnt in 0"
        ]  # fmt: skip
        assert [c.turn.domains for c in changes] == [1, 2, 2, 2, 3]

    def test_at_once_where_that_is_clear_and_at_the_second_look_where_not(self) -> None:
        late, early = (walk(bank(), [0, 5, 0], seen=seen)[1] for seen in (3, 1))
        assert (late.turn.found, late.later) == (0, None)
        assert early.turn.found is None
        assert early.later.found == 0
        assert early.later.stored is None
        assert early.later.nearest < 0.05
        assert early.state == "learnt in 0"

    def test_the_latest_state_of_a_domain_is_kept(self) -> None:
        of, found = bank(), []
        for number, mean in enumerate([0, 5, 0, 5, 0]):
            stay(of, mean, 3)
            if number:
                found.append(of.change(number)[1])
            stay(of, mean, 15)
        assert found == [None, 1, 2, 3]

    def test_frames_of_the_new_domain_do_not_blur_the_old_ones_signature(self) -> None:
        changes = walk(bank(), [0, 5, 0])
        assert changes[1].turn.nearest < 0.05
        assert changes[0].turn.distance == pytest.approx(5, abs=0.05)

    def test_what_is_most_alike_is_gone_on_with_and_stays_a_domain_of_its_own(self) -> None:
        """From 0 to 12, which was never met: 10's state is nearer. Both are known after it."""
        changes = walk(bank(), [0, 10, 0, 12, 0, 10, 0, 12])
        assert [c.turn.found for c in changes] == [None, 0, 1, 0, 1, 0, 2]
        assert changes[-1].state == "learnt in 12"
        assert changes[2].turn.nearest == pytest.approx(2, abs=0.05)
        assert changes[2].turn.distance == pytest.approx(12, abs=0.05)

    def test_nothing_comes_back_that_is_not_clearly_nearer(self) -> None:
        """9 is as near to 5 as to 13, where it came from."""
        assert walk(bank(), [5, 13, 9])[-1].state is None
        assert walk(bank(), [5, 13, 8])[-1].state == "learnt in 5"

    def test_a_change_that_is_found_twice(self) -> None:
        """A window that straddles it tells of it too early, and the next one again."""
        of = bank()
        walk(of, [0, 5])
        first = Change(*of.change("learnt in 5"))  # nothing of the new domain seen yet
        assert first.state is None
        stay(of, 0, 2, first)
        second = Change(*of.change("hardly learnt"))
        stay(of, 0, 6, second)
        assert second.turn.stored is None
        assert "learnt in 0" in (second.state, first.state)
        assert of.states() == ["learnt in 0", "learnt in 5"]


class TestAlarms:
    def test_a_false_alarm_brings_nothing_back_and_makes_no_second_domain(self) -> None:
        of = bank()
        walk(of, [0, 5])
        alarm = Change(*of.change("still in 5"))
        stay(of, 5, 18, alarm)
        assert alarm.state is None
        assert alarm.turn.domains == 2
        stay(of, 0, 3)
        turn, state = of.change("later in 5")
        assert (turn.stored, turn.domains, state) == (1, 2, "learnt in 0")

    def test_the_domain_just_left_does_not_return_to_itself(self) -> None:
        """Its signature is the mean of both its visits, which the next frames may lie nearer."""

        def scattered(mean: float, frames: int) -> None:
            for number in range(frames):
                of.see(signature(mean + (1 if number // 3 % 2 else -1)))

        of = bank()
        for number, mean in enumerate([0.0, 10.0, 0.5]):
            scattered(mean, 3)
            if number:
                of.change("before")
            scattered(mean, 21)
        for _ in range(3):
            of.see(signature(0.03))
        turn, state = of.change("just learnt")
        assert (turn.stored, turn.found, state) == (0, None, None)

    @pytest.mark.parametrize("after", [1, 3, 8])
    def test_soon_after_a_return_what_was_learnt_since_is_kept(self, after: int) -> None:
        of = bank()
        changes = walk(of, [0, 5, 0], frames=18)
        assert changes[-1].state == "learnt in 0"
        changes = walk(of, [5])
        of.change("learnt in 0 again")
        stay(of, 5, after)
        alarm = Change(*of.change("just learnt in 5"))
        stay(of, 5, 6, alarm)
        assert alarm.state is None
        assert "just learnt in 5" not in of.states()
        assert len(of.states()) == 2

    def test_a_visit_shorter_than_what_is_looked_at_is_not_stored(self) -> None:
        of = bank(recent=5)
        stay(of, 1, 14)
        turn, state = of.change("too early")
        assert (turn.stored, turn.found, state) == (None, None, None)
        assert of.states() == []
        stay(of, 1, 15)
        assert of.change("in time")[0].stored == 0

    def test_before_the_first_frame(self) -> None:
        assert bank().change("nothing")[1] is None


def test_the_domain_stored_longest_ago_makes_way_but_not_for_its_own_return() -> None:
    of = bank(domains=2)
    changes = walk(of, [0, 10, 0, 30, 0])
    assert changes[-1].state == "learnt in 0"
    assert of.states() == ["learnt in 0", "learnt in 30"]


def test_a_signature_is_the_mean_of_all_frames_of_its_visits() -> None:
    """12 frames around 0 and 6 around .6; what is seen last before a change does not count."""
    of, nearest = bank(), []
    for means, now in (
        ([-1, 1, -1, 1], 10), ([10, 10], 0.6), ([-0.4, 1.6], 10), ([10, 10], 0.2)
    ):  # fmt: skip
        for mean in (*means, now):
            for _ in range(3):
                of.see(signature(mean))
        nearest.append(of.change("learnt")[0].nearest)
    assert nearest == [None, pytest.approx(0.6), pytest.approx(0), pytest.approx(0, abs=1e-9)]


def test_scenes_that_differ_more_may_lie_farther_apart() -> None:
    """Whether two stays are one domain is judged by how much the stay itself varies."""

    def domains(scatter: float) -> int:
        of = bank()
        for number, mean in enumerate([0, 10, 0.4, 10]):
            for frame in range(24):
                of.see(signature(mean + scatter * (frame // 3 % 2)))
                if number and frame == 2:
                    last = of.change(number)[0].domains
        return last

    assert domains(scatter=0.1) == 3
    assert domains(scatter=2.0) == 2


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 7.0, 20.0]), min_size=2, max_size=8), st.data())
def test_exact_continuation(means, data) -> None:
    """Saved anywhere and continued elsewhere, while the saved one goes on."""
    cut = data.draw(st.integers(1, len(means) - 1))
    seen = data.draw(st.integers(1, 3))
    whole, first = bank(domains=2), bank(domains=2)
    expected = walk(whole, means, seen=seen)
    walk(first, means[:cut], seen=seen)
    state = first.state_dict()
    for of in (first, bank(domains=2), bank(domains=2)):
        if of is not first:
            of.load_state_dict(state)
        got: list[Change] = []
        for before, mean in zip(means[cut - 1 :], means[cut:], strict=False):
            stay(of, mean, seen, got[-1] if got else None)
            got.append(Change(*of.change(f"learnt in {before:g}")))
            stay(of, mean, 18 - seen, got[-1])
        assert got == expected[cut - 1 :]
        assert of.states() == whole.states()


class TestDistance:
    @settings(deadline=None)
    @given(st.floats(-5, 5), st.floats(0.1, 5), st.floats(-5, 5), st.floats(0.1, 5))
    def test_is_symmetric_and_zero_only_at_home(self, m1, s1, m2, s2) -> None:
        a, b = signature(m1, s1), signature(m2, s2)
        assert distance(a, b) == distance(b, a) >= 0
        assert distance(a, a) == 0
        assert (distance(a, b) == 0) == (m1 == m2 and s1 == s2) or abs(m1 - m2) + abs(
            s1 - s2
        ) < 1e-9

    def test_is_the_frechet_distance_in_deviations(self) -> None:
        a = np.array([[0.0, 1.0], [1.0, 2.0]])
        b = np.array([[3.0, 1.0], [1.0, 4.0]])
        assert distance(a, b) == pytest.approx(np.sqrt((3.0**2 + (2 / 3) ** 2) / 2))

    def test_does_not_change_with_the_features_scale(self) -> None:
        a, b = signature(1.0, 2.0), signature(3.0, 1.0)
        assert distance(a, b) == pytest.approx(distance(10 * a, 10 * b))


@pytest.mark.parametrize("wrong", [{"domains": 1}, {"recent": 0}, {"nearer": 0}, {"nearer": 1}])
def test_what_a_bank_cannot_be(wrong) -> None:
    with pytest.raises(
        InputError, match="bank: expected domains >= 2, recent >= 1 and 0 < nearer < 1, got domains"
    ):
        Bank(**{"domains": 2, "recent": 2, "nearer": 0.5, **wrong})
