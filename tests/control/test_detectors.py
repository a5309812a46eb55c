"""Detectors: the default's windows, laws, and the library's detectors behind the same verbs."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftseg.control.drift import Detector, WindowDetector, changes
from driftseg.control.river_detectors import LibraryDetector, adwin, page_hinkley
from driftseg.errors import InputError


def window(length: int = 10, **changed) -> WindowDetector:
    return WindowDetector(window=length, **{"rise": 0.23, "fall": -0.23, **changed})


def of_the_library(make, **settings) -> Detector:
    pytest.importorskip("river", reason="the [drift] extra is not installed")
    return make(recent=10, **settings)


MAKERS = {
    "window": window,
    "adwin": lambda: of_the_library(adwin, delta=0.002),
    "page_hinkley": lambda: of_the_library(page_hinkley, rise=1.0, tolerance=0.05),
}


def steps(*levels: float, length: int = 80, noise: float = 0.03, seed: int = 0) -> list[float]:
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.normal(x, noise, length) for x in levels]).tolist()


@pytest.fixture(params=MAKERS)
def detector(request) -> Detector:
    return MAKERS[request.param]()


def test_a_rise_and_a_fall_are_found(detector) -> None:
    found = changes(detector, steps(0.7, 1.6, 0.7, length=150))
    assert [event.direction for _, event in found] == ["away", "back"]
    assert 150 <= found[0][0] < 200
    assert 300 <= found[1][0] < 400
    assert [event.level for _, event in found] == [1, 0]
    for _, event in found:
        assert (event.value > event.reference) == (event.direction == "away")


@pytest.mark.parametrize("recent", [12, 75])
@pytest.mark.parametrize(
    ("make", "settings"),
    [(adwin, {"delta": 0.002}), (page_hinkley, {"rise": 1.0, "tolerance": 0.05})],
)
def test_the_library_is_asked_when_and_the_signal_how_much(make, settings, recent: int) -> None:
    """An alarm after a few frames must not make a large change look small."""
    pytest.importorskip("river", reason="the [drift] extra is not installed")
    found = changes(make(recent=recent, **settings), steps(0.8, 1.7, length=200))
    assert len(found) == 1
    at, event = found[0]
    assert event.reference == pytest.approx(0.8, abs=0.05)
    assert event.value == pytest.approx(1.7, abs=0.05)
    assert at < 200 + recent + 30


def test_a_constant_signal_never_fires(detector) -> None:
    assert changes(detector, [0.7] * 600) == []


def test_what_is_not_finite_is_passed_over(detector) -> None:
    signal = steps(0.7, 1.6, length=150)
    spoilt = [x for value in signal for x in (value, math.nan, math.inf)]
    found = changes(detector, spoilt)
    assert [event.direction for _, event in found] == ["away"]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("at", [1, 83, 88, 92, 96, 140, 155, 200])
def test_exact_continuation(name: str, at: int) -> None:
    signal = steps(0.7, 1.6, 0.7)
    whole = changes(MAKERS[name](), signal)
    first, second = MAKERS[name](), MAKERS[name]()
    before = changes(first, signal[:at])
    second.load_state_dict(first.state_dict())
    assert second.reading() == first.reading()
    after = [(at + i, event) for i, event in changes(second, signal[at:])]
    assert before + after == whole


def test_window_is_cleared_when_it_becomes_the_reference() -> None:
    """Tests fall at the ends of windows: 149, 224, ... with windows of 75 (A.7, B7 mended)."""
    detector = window(75)
    decided = []
    for position in range(400):
        before = detector.reading().filled
        detector.add(0.7)
        if detector.reading().filled < before + 1:
            decided.append(position)
    assert decided == [74, 149, 224, 299, 374]


def test_released_window_is_tested_against_itself() -> None:
    detector = window(75, overlapping_reference=True)
    decided = []
    for position in range(300):
        before = detector.reading().filled
        detector.add(0.7)
        if detector.reading().filled < before + 1:
            decided.append(position)
    assert decided == [75, 150, 225]


def test_a_stream_that_begins_far_from_the_source() -> None:
    """The first window is judged by the source's level, with three times the threshold."""
    far = changes(window(10, start=0.7), [1.5] * 40)
    assert [(at, e.direction, e.reference) for at, e in far] == [(9, "away", 0.7)]
    other_street = changes(window(10, start=0.7), [1.3] * 40)
    assert other_street == []
    begun = window(10, start=0.7)
    changes(begun, [1.5] * 5)
    gone_on = window(10, start=0.7)
    gone_on.load_state_dict(begun.state_dict())
    assert len(changes(gone_on, [1.5] * 40)) == 1
    assert changes(gone_on, [1.5] * 40) == []


def test_slow_drift_adds_up() -> None:
    """The reference is the first window after the last change, not the window before."""
    found = changes(window(10), np.linspace(0.7, 1.2, 400).tolist())
    assert len(found) >= 1
    assert all(event.direction == "away" for _, event in found)


@given(
    signal=st.lists(st.floats(0, 5), max_size=120),
    length=st.integers(1, 12),
    shift=st.floats(-3, 3),
)
def test_only_differences_matter(signal: list[float], length: int, shift: float) -> None:
    """A shifted signal has the same events (thresholds at which rounding decides aside)."""
    rise = 0.2501234567
    plain = changes(window(length, rise=rise, fall=-rise), [round(x, 3) for x in signal])
    moved = changes(window(length, rise=rise, fall=-rise), [round(x, 3) + shift for x in signal])
    assert [(at, e.direction) for at, e in plain] == [(at, e.direction) for at, e in moved]


@given(signal=st.lists(st.floats(0, 5), max_size=200), length=st.integers(1, 20))
def test_every_window_event_exceeds_its_threshold(signal: list[float], length: int) -> None:
    level = 0
    for _, event in changes(window(length), signal):
        difference = event.value - event.reference
        assert difference > 0.23 or difference < -0.23
        level += 1 if difference > 0 else -1
        assert event.level == level


@pytest.mark.parametrize(
    "settings", [{"length": 0}, {"rise": 0.0}, {"fall": 0.1}, {"rise": float("nan")}]
)
def test_settings_that_make_no_detector(settings) -> None:
    with pytest.raises(InputError, match="window >= 1 and rise > 0 > fall"):
        window(**settings)


class Silent:
    """A library's detector that never finds anything."""

    drift_detected = False

    def update(self, signal: float) -> None:
        pass


@pytest.mark.parametrize("recent", [1, 4, 75])
def test_a_librarys_reading_is_of_all_signals(recent: int) -> None:
    signals = np.random.default_rng(0).normal(1, 0.3, 300).tolist()
    detector = LibraryDetector("silent", Silent, recent=recent)
    for number, signal in enumerate(signals, 1):
        detector.add(signal)
        latest = min(recent, number // 2)
        if latest:
            found = detector.reading()
            assert found.reference == pytest.approx(np.mean(signals[: number - latest]))
            assert found.mean == pytest.approx(np.mean(signals[number - latest : number]))
    again = LibraryDetector("silent", Silent, recent=recent)
    again.load_state_dict(detector.state_dict())
    assert again.reading() == detector.reading()


def test_a_librarys_reading_costs_the_same_after_a_long_calm() -> None:
    """Going through all signals for every frame took minutes here."""
    detector = LibraryDetector("silent", Silent, recent=10)
    for _ in range(100_000):
        detector.add(1.0)
    begun = time.perf_counter()
    for _ in range(2_000):
        detector.reading()
    assert time.perf_counter() - begun < 2


def test_without_the_library_the_way_out_is_named(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "river", None)
    with pytest.raises(InputError, match=r"pip install 'driftseg\[drift\]'"):
        adwin(delta=0.002, recent=10)
