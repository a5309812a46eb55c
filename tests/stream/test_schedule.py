"""Schedules: the presets, and what holds for every walk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftseg.errors import InputError
from driftseg.stream.schedule import (
    STORM_RATES,
    Visit,
    domains,
    fast_storm,
    fog_name,
    foggy,
    rain_name,
    random_storm,
    storm,
    with_directions,
)
from driftseg.weather.conditions import Conditions


def test_the_storm() -> None:
    visits = storm(frames=2)
    assert [v.conditions.rain for v in visits] == [0, 25, 50, 75, 100, 200, 100, 75, 50, 25, 0]
    assert [v.direction for v in visits] == ["forward"] * 6 + ["backward"] * 5
    assert list(domains(visits)) == ["clear", "rain25", "rain50", "rain75", "rain100", "rain200"]
    assert str(visits[1].conditions) == "rain 25 mm/h"
    assert str(visits[0].conditions) == "as it is"
    assert rain_name(12.5) == "rain12.5"


def test_the_fast_storm() -> None:
    visits = fast_storm(passes=3)
    assert [v.conditions.rain for v in visits] == [0, 50, 100, 200, 100, 50, 0]
    assert [v.direction for v in visits] == ["forward"] * 4 + ["backward"] * 3
    assert {v.passes for v in visits} == {3}


def test_the_fog() -> None:
    visits = foggy(frames=5)
    seen = [v.conditions.visibility for v in visits]
    assert seen == [
        None,
        750,
        375,
        150,
        75,
        150,
        375,
        750,
        None,
    ]
    assert [v.direction for v in visits] == ["forward"] * 5 + ["backward"] * 4
    assert list(domains(visits)) == ["clear", "fog750", "fog375", "fog150", "fog75"]
    assert [str(v.conditions) for v in visits[:2]] == ["as it is", "fog 750 m"]
    assert {(v.conditions.rain, v.frames) for v in visits} == {(0, 5)}
    assert fog_name(37.5) == "fog37.5"


def test_rain_and_fog_on_one_scale() -> None:
    """Extinctions add; 200 mm/h veil like 276 m of visibility (methods G.2)."""
    assert Conditions().strength == Conditions(visibility=float("inf")).strength == 0
    heavy = Conditions(rain=200.0)
    assert Conditions(visibility=277.0).strength < heavy.strength
    assert Conditions(visibility=275.0).strength > heavy.strength
    both = Conditions(rain=200.0, visibility=75.0)
    assert both.strength == pytest.approx(heavy.strength + Conditions(visibility=75.0).strength)
    assert str(both) == "rain 200 mm/h and fog 75 m"


def test_the_worst_is_the_turn_whatever_kind_it_is() -> None:
    visits = with_directions([Visit("a"), Visit("b", Conditions(rain=100.0)),
                              Visit("c", Conditions(visibility=75.0)),
                              Visit("d", Conditions(rain=200.0)), Visit("a")])  # fmt: skip
    assert [v.direction for v in visits] == ["forward"] * 3 + ["backward"] * 2


def test_without_weather_everything_is_forward() -> None:
    assert {v.direction for v in with_directions([Visit("day"), Visit("dusk")])} == {"forward"}


def test_bad_schedules() -> None:
    with pytest.raises(InputError, match="schedule: expected at least one domain, got none"):
        with_directions([])
    with pytest.raises(
        InputError,
        match="schedule: expected one weather for domain wet, got "
        r"rain 10 mm/h and rain 20 mm/h.*two visits different "
        "names",
    ):
        with_directions([Visit("wet", Conditions(rain=10)), Visit("wet", Conditions(rain=20))])
    with pytest.raises(
        InputError,
        match="schedule: expected one weather for domain grey, got as it is and fog 75 m",
    ):
        with_directions([Visit("grey"), Visit("grey", Conditions(visibility=75))])


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_random_storm_walks_from_clear_to_clear(seed: int, half: int) -> None:
    levels = sorted(set(STORM_RATES))
    visits = random_storm(np.random.default_rng(seed), visits=2 * half + 1, frames=3, passes=2)
    walk = [levels.index(v.conditions.rain) for v in visits]
    assert len(walk) == 2 * half + 1
    assert walk[0] == walk[-1] == 0
    assert set(np.abs(np.diff(walk))) == {1}
    assert {(v.frames, v.passes) for v in visits} == {(3, 2)}
    assert all(v.domain == rain_name(v.conditions.rain) for v in visits)
    again = random_storm(np.random.default_rng(seed), visits=2 * half + 1, frames=3, passes=2)
    assert visits == again


def test_other_seeds_are_other_storms() -> None:
    walks = {tuple(v.conditions.rain for v in random_storm(np.random.default_rng(s), visits=21))
             for s in range(50)}  # fmt: skip
    assert len(walks) > 45
    assert {rate for walk in walks for rate in walk} == set(STORM_RATES)


@pytest.mark.parametrize("visits", [0, 1, 2, 8])
def test_a_random_storm_must_come_home(visits: int) -> None:
    with pytest.raises(InputError, match=rf"an odd number of visits from 3 on, .*, got {visits}\."):
        random_storm(np.random.default_rng(0), visits=visits)
