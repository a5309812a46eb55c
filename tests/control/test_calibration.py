"""What is learnt from held-out source frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftseg.control.calibration import (
    SAFETY,
    STEPS,
    ConfidenceTable,
    calibrate_detector,
    window_noise,
)
from driftseg.control.drift import WindowDetector, changes
from driftseg.errors import InputError


def series(level: float, noise: float, frames: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(level, noise, frames).tolist()


def test_published_proportions_come_back() -> None:
    """A quiet signal from .8 to 2.55 gives the published threshold of .23."""
    learnt = calibrate_detector({"clear": series(0.8, 0.01, 60), "rain": series(2.55, 0.01, 60)})
    assert learnt.rise == pytest.approx(0.23, abs=0.01)
    assert learnt.fall == -learnt.rise
    assert learnt.source_level == pytest.approx(0.8, abs=0.01)
    assert learnt.far_level == pytest.approx(2.55, abs=0.01)
    assert learnt.window == 2
    assert pytest.approx(7.6, abs=0.01) == STEPS


def test_noise_lengthens_the_window_then_raises_the_threshold() -> None:
    quiet, loud, louder = (
        calibrate_detector(
            {"clear": series(1.0, noise, 60), "rain": series(1.6, noise, 60)}, longest_window=15
        )
        for noise in (0.01, 0.05, 0.4)
    )
    assert quiet.window < loud.window <= 15
    assert louder.window == 15
    assert louder.rise > loud.rise == pytest.approx(0.6 / STEPS, rel=0.1)
    assert louder.rise == pytest.approx(SAFETY * math.sqrt(2) * louder.noise)


def test_windows_of_one_frame_are_possible() -> None:
    signals = {"clear": series(1.0, 0.01, 40), "rain": series(2.0, 0.01, 40)}
    assert calibrate_detector(signals, longest_window=1).window == 1


def test_far_level_without_weather_keeps_the_published_proportion() -> None:
    learnt = calibrate_detector({"clear": series(1.0, 0.05, 40)}, longest_window=10)
    assert (learnt.far_level - learnt.source_level) / learnt.rise == pytest.approx(STEPS)


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_calibrated_detector_is_quiet_on_the_source(noise: float) -> None:
    learnt = calibrate_detector(
        {"clear": series(1.0, noise, 60), "rain": series(1.8, noise, 60)}, longest_window=20
    )
    alarms = 0
    for seed in range(20):
        detector = WindowDetector(window=learnt.window, rise=learnt.rise, fall=learnt.fall)
        alarms += len(changes(detector, series(1.0, noise, 400, seed=100 + seed)))
    assert alarms <= 8000 / learnt.window * 0.03


def test_weather_that_does_not_raise_the_signal() -> None:
    with pytest.raises(
        InputError,
        match="expected a drift signal that rises in rendered "
        r"rain, got no rise \(\{'clear': 1\.0008467981085531, "
        "'rain':",
    ):
        calibrate_detector({"clear": series(1.0, 0.01, 10), "rain": series(0.9, 0.01, 10)})
    with pytest.raises(InputError, match="calibration: expected at least 4 source frames, got 3"):
        calibrate_detector({"clear": [1.0, 1.0, 1.0]})


def test_window_noise_of_independent_signals_falls_with_the_root() -> None:
    values = np.array(series(0.0, 1.0, 6000))
    for window in (1, 4, 25):
        assert window_noise(values, window) == pytest.approx(1 / math.sqrt(window), rel=0.15)


def counted(confidence, prediction, label, classes: int = 3) -> ConfidenceTable:
    table = ConfidenceTable(classes)
    table.add(np.array(confidence, np.float32), np.array(prediction), np.array(label))
    return table


def test_thresholds_by_share_and_precision() -> None:
    table = counted([0.3, 0.5, 0.7, 0.9], [0, 0, 1, 1], [1, 0, 1, 1])
    (half,) = table.share_thresholds(0.5, per_class=False)
    assert 0.5 < half <= 0.7
    (certain,) = table.precision_thresholds(1.0, per_class=False)
    assert 0.3 < certain <= 0.5


def test_unlabelled_pixels_are_not_counted() -> None:
    table = counted([0.9, 0.9], [0, 0], [255, 0])
    assert table.right.sum() + table.wrong.sum() == 1


def test_classes_have_thresholds_of_their_own() -> None:
    table = counted([0.9, 0.9, 0.4, 0.9], [0, 0, 1, 1], [1, 1, 1, 1])
    never, low, like_all = table.precision_thresholds(0.9, per_class=True)
    assert never > 1  # class 0 is never right
    assert low <= 0.4
    (overall,) = table.precision_thresholds(0.9, per_class=False)
    assert like_all == overall  # class 2 was never predicted


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200), st.floats(0.05, 1))
def test_a_share_passes_its_threshold(confidence: list[float], share: float) -> None:
    known = [0] * len(confidence)
    (limit,) = counted(confidence, known, known).share_thresholds(share, per_class=False)
    passing = np.mean(np.array(confidence, np.float32) >= np.float32(limit) - 1e-6)
    assert passing >= share - 1e-9
