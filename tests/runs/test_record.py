"""Numbers as records keep them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from driftseg.runs.record import plain


@pytest.mark.parametrize("small", [4e-7, 1.5e-4, -2.5e-12])
def test_small_numbers_keep_six_digits(small: float) -> None:
    """A learning rate of 4e-7 was once recorded as 0."""
    assert plain({"learning_rate": small}) == {"learning_rate": small}
    assert plain(small / 3) == pytest.approx(small / 3, rel=5e-6)
    assert len(repr(plain(abs(small) / 3))) <= len("1.23456e-12")


def test_other_numbers_keep_six_decimals() -> None:
    assert plain([43.123456789, 0.1234567, 0.0, np.float32(2.5)]) == [43.123457, 0.123457, 0.0, 2.5]
    assert plain({"a": np.array([math.nan, math.inf])}) == {"a": [None, None]}
