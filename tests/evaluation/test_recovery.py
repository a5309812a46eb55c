"""How much was won back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftseg.evaluation.recovery import SMALLEST_GAP, recovery, total_recovery

scores = st.floats(0, 100)


def test_by_hand() -> None:
    assert recovery(45, 35, 55) == 50
    assert recovery(30, 35, 55) == -25
    assert recovery(60, 35, 55) == 125


def test_without_a_gap_there_is_nothing_to_win() -> None:
    assert math.isnan(recovery(60, 60, 60.49))
    assert recovery(60.5, 60, 60.5) == 100
    assert math.isnan(recovery(60, 60, 50))
    for missing in ((float("nan"), 1, 2), (1, float("nan"), 2), (1, 1, float("nan"))):
        assert math.isnan(recovery(*missing))


def test_total_weighs_by_gap_and_passes_over_what_has_none() -> None:
    assert total_recovery([36, 61, 70], [30, 60, 70], [40, 62, 70.1]) == pytest.approx(100 * 7 / 12)
    assert math.isnan(total_recovery([70], [70], [70]))
    assert math.isnan(total_recovery([], [], []))


@given(scores, scores)
def test_source_is_0_and_oracle_100(source: float, oracle: float) -> None:
    if oracle - source < SMALLEST_GAP:
        assert math.isnan(recovery(source, source, oracle))
    else:
        assert recovery(source, source, oracle) == 0
        assert recovery(oracle, source, oracle) == pytest.approx(100)
        assert total_recovery([oracle], [source], [oracle]) == pytest.approx(100)
