"""How a domain looks, as the bank tells domains apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_methods import make_memory

from driftseg.learners.answering import answer
from driftseg.methods.memory import signature
from driftseg.methods.signal import static_level


def step(method, image):
    method.predict(image)
    return method.learn()


def test_a_signature_is_the_same_whatever_was_learnt(make_model, make_replay, frames) -> None:
    method = make_memory(make_model(), make_replay())
    before = signature(static_level(method.roles, answer(method.roles, frames[5])))
    for image in frames[:3]:
        step(method, image)
    after = signature(static_level(method.roles, answer(method.roles, frames[5])))
    assert np.array_equal(before, after)


def test_a_signature_is_mean_and_deviation_of_every_channel() -> None:
    level = torch.tensor([[[[1.0, 3.0]], [[5.0, 5.0]]]])
    assert signature(level) == pytest.approx(np.array([[2.0, 5.0], [2**0.5, 0.0]]))
