"""RDumb's resets."""

from __future__ import annotations

import torch
from adapting import frames, make, moved, play, weights


def test_after_every_interval_it_is_the_source_again() -> None:
    model = make("rdumb", "mit", reset_every=3)
    source = weights(model)
    first = play(model, frames()[:2])
    assert moved(model, source)
    play(model, frames()[2:3])
    assert moved(model, source) == set()
    assert model.learner._mean is None
    assert not model.learner.optimiser.state
    assert play(model, frames()[:2]) == first


def test_running_statistics_come_back_too() -> None:
    model = make("rdumb", reset_every=2, norm_statistics="running")
    source = weights(model)
    play(model, frames()[:2])
    assert all(torch.equal(tensor, source[name]) for name, tensor in weights(model).items())
