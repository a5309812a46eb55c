"""Numbers over a drive stay few, and evenly spread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driftseg.live.history import History


@given(most=st.integers(2, 50), length=st.integers(0, 2000))
def test_few_and_evenly_spread(most: int, length: int) -> None:
    history = History(most)
    for number in range(length):
        history.add(10 * number)
    points = history.points()
    assert len(points) <= most
    assert points == [(n, 10 * n) for n in range(0, length, history.stride)]
    assert length <= most or len(points) >= most // 2
