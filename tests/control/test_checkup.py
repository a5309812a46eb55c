"""What answers to probes mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftseg.control.checkup import Checkup, Reading, agreement, band, complaint

PLAIN = Reading(0.8, 0.4, 1.6, 0.9)
MILD = [Reading(0.75, 0.45, 1.5, 0.92), Reading(0.78, 0.4, 1.6, 0.85)]


def test_agreement_is_the_mean_iou_over_the_classes_of_the_reference() -> None:
    reference = np.array([[0, 0, 1, 255]] * 4, dtype=np.uint8)
    answer = np.array([[0, 1, 1, 2]] * 4, dtype=np.uint8)
    assert agreement(answer, reference, 3) == pytest.approx(0.5)
    assert agreement(reference, reference, 3) == 1.0
    assert agreement(answer, np.full((4, 4), 255, dtype=np.uint8), 3) == 1.0


def test_what_is_ordinary_and_what_is_not() -> None:
    found = band(PLAIN, MILD, 2.0)
    assert found.agreement == pytest.approx(0.7)
    assert complaint(PLAIN, found) is None
    assert all(complaint(one, found) is None for one in MILD)
    assert complaint(replace(PLAIN, agreement=0.69), found) == "agreement"
    assert complaint(replace(PLAIN, largest=0.95), found) == "one class"
    assert complaint(replace(PLAIN, entropy=0.5), found) == "one class"
    assert complaint(replace(PLAIN, agreement=0.72, confidence=0.99), found) == "sure and wrong"
    assert complaint(replace(PLAIN, agreement=0.72), found) is None
    assert complaint(replace(PLAIN, confidence=0.99), found) is None
    assert complaint(replace(PLAIN, confidence=float("nan")), found) == "not finite"


def test_a_band_always_asks_for_half() -> None:
    assert band(PLAIN, [replace(PLAIN, agreement=0.1)], 2.0).agreement == pytest.approx(0.4)


def checkup(probes: int = 4) -> Checkup:
    made = Checkup(every=3, pause=5)
    made.bands = [band(PLAIN, MILD, 2.0)] * probes
    return made


def test_probes_are_asked_in_turn_after_learnt_frames() -> None:
    made = checkup(2)
    asked = []
    for number in range(24):
        probe = made.frame(learnt=number % 2 == 0)
        if probe is not None:
            asked.append((number, probe))
            assert made.suspicion(probe, PLAIN) is None
            assert made.passed() == (probe == 1)
    assert asked == [(4, 0), (10, 1), (16, 0), (22, 1)]


def test_a_slow_decline_of_all_answers_is_found() -> None:
    made = checkup(3)
    lower = replace(PLAIN, agreement=0.74)
    assert [made.suspicion(probe, lower) for probe in range(3)] == [None, None, "decline"]
    assert not made.healthy({0: lower, 1: lower})
    assert made.healthy({0: lower, 1: PLAIN})
    assert not made.healthy({0: replace(PLAIN, largest=0.95), 1: PLAIN})


def test_pauses_double_until_a_round_is_healthy() -> None:
    made = checkup(2)
    assert (made.collapsed(), made.collapsed(), made.collapsed()) == (5, 10, 20)
    for _ in range(20):
        assert made.paused
        assert made.frame(learnt=False) is None
    assert not made.paused
    assert (made.passed(), made.passed()) == (False, True)
    assert made.collapsed() == 5
