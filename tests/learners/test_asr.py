"""ASR: when and where it resets."""

from __future__ import annotations

import math

import pytest
import torch
from adapting import CLASSES, frames, make, moved, play, weights

from driftseg.learners.asr import spread


def test_the_spread_is_largest_for_balanced_answers() -> None:
    even = torch.eye(CLASSES)[None, :, None] * 7  # every class once
    assert float(spread(even)) == pytest.approx(math.log(CLASSES), abs=1e-5)
    one = torch.zeros(1, CLASSES, 2, 3)
    one[:, 0] = 20
    assert float(spread(one)) < 1e-6


def test_without_collapse_it_is_tent() -> None:
    images = frames()[:3]
    ours = play(make("asr", "mit", learning_rate=1e-4), images)
    theirs = play(make("tent", "mit", learning_rate=1e-4), images)
    assert [row["loss"] for row in ours] == pytest.approx([row["entropy"] for row in theirs])
    assert [row["confidence"] for row in ours] == [row["confidence"] for row in theirs]
    assert not any(row["reset"] for row in ours)


def test_the_average_is_the_released_codes() -> None:
    model = make("asr", "mit", learning_rate=1e-2, start=0.01)
    average = None
    for row in play(model, frames()[:4]):
        if average is None:
            average = row["source_spread"] + math.log(0.01)
        stays = 0.15 * row["flipped"] + 1 - 0.15
        average = stays * average + (1 - stays) * row["spread"]
        assert not row["reset"]
    assert model.learner._average == pytest.approx(average)


@pytest.mark.parametrize(("fall", "kept"), [(0.0001, 0.498), (0.01, 0.3), (0.025, 0.0), (9, 0.0)])
def test_the_last_layers_return_to_the_source(fall: float, kept: float) -> None:
    """The first share of the tensors stays; the deeper the fall, the fewer."""
    model = make("asr", "mit", learning_rate=1e-2)
    source = weights(model)
    play(model, frames()[:2])
    changed = moved(model, source)
    learner = model.learner
    learner._average = 1.0
    share = learner._watch(1.0 - fall, 0.0, 0.0)
    names = [*learner.parameters]
    first = math.ceil(kept * len(names))
    assert share == pytest.approx(1 - first / len(names), abs=1.5 / len(names))
    still = moved(model, source)
    stays = names[: round(len(names) * (1 - share))]
    assert still == changed & {*stays}
    assert learner._average is None
    assert not learner.optimiser.state


def test_collapse_is_a_fall_below_the_average() -> None:
    model = make("asr", "mit")
    play(model, frames()[:1])
    learner = model.learner
    learner._average = 1.0
    assert learner._watch(1.0, 0.0, 0.0) == 0.0
    assert learner._watch(0.999, 0.0, 0.0) > 0.0
