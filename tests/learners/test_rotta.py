"""RoTTA's memory, weights and step against plain computations."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from adapting import CLASSES, frames, make, play, weights

from driftseg.learners.answering import to_images
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.rotta import FrameMemory
from driftseg.learners.settings import STREAMS


def frame(number: int) -> np.ndarray:
    return np.full((2, 2, 3), number, np.uint8)


def held(memory: FrameMemory) -> list[int]:
    return [int(item.image[0, 0, 0]) for item in memory.items]


def test_the_oldest_and_least_certain_frame_leaves() -> None:
    memory = FrameMemory(2, timeliness=1.0, uncertainty=1.0)
    for number, uncertainty in ((1, 0.1), (2, 0.8)):
        memory.add(frame(number), uncertainty)
    assert [item.age for item in memory.items] == [2, 1]
    old, unsure = (memory.score(item) for item in memory.items)
    assert old == pytest.approx(1 / (1 + math.exp(-1)) + 0.1)
    assert unsure > old
    memory.add(frame(3), 0.5)
    assert held(memory) == [1, 3]
    memory.add(frame(4), 5.0)  # worse than any
    assert held(memory) == [1, 3]
    assert [item.age for item in memory.items] == [4, 2]


def test_with_timeliness_alone_it_is_the_last_frames() -> None:
    memory = FrameMemory(3, timeliness=1.0, uncertainty=0.0)
    for number in range(6):
        memory.add(frame(number), 0.3 * number)
    assert held(memory) == [3, 4, 5]


def test_young_frames_count_more() -> None:
    memory = FrameMemory(4, 1.0, 1.0)
    memory.add(frame(0), 0.0)
    (item,) = memory.items
    for age in (0, 1, 8):
        item.age = age
        a = age / 4
        assert memory.weight(item) == pytest.approx(math.exp(-a) / (1 + math.exp(-a)))


def test_statistics_follow_and_the_teacher_answers() -> None:
    """Between two steps it answers as norm_statistics does."""
    images = frames()[:3]
    ours, theirs = play(make("rotta", every=9), images), play(make("norm_statistics"), images)
    assert [row["confidence"] for row in ours] == [row["confidence"] for row in theirs]
    assert all(row["trained"] for row in ours)


def test_a_step_learns_the_teachers_soft_labels_of_the_memory() -> None:
    model = make("rotta", every=2, memory_frames=2, teacher_momentum=0.9)
    names = {*model.roles.trainable}
    play(model, frames()[:1])
    before = weights(model)
    model.predict(frames()[1])
    losses = model.learn().losses
    after = weights(model)
    plain = copy.deepcopy(model.roles.network.module).eval()
    statistics = {n: t for n, t in after.items() if n not in names}
    plain.load_state_dict({**before, **statistics})
    tensors = [p for n, p in plain.named_parameters() if n in names]
    optimiser = torch.optim.Adam(tensors, lr=1e-3)
    draws = np.random.default_rng([0, STREAMS["learner"]])
    total = 0.0
    for image, age in ((frames()[0], 2), (frames()[1], 1)):
        images = to_images(image, torch.device("cpu"))
        view = jitter_and_blur(images, strength=0.2, blur=True, generator=draws)
        with torch.no_grad():
            wanted = plain(images).softmax(1)
        loss = -(wanted * plain(view).log_softmax(1)).sum(1).mean()
        total = total + loss * math.exp(-age / 2) / (1 + math.exp(-age / 2)) / 2
    total.backward()
    optimiser.step()
    assert losses["loss"] == pytest.approx(total.item(), rel=1e-3)
    now, teacher = dict(plain.named_parameters()), model.roles.overlays["teacher"]
    for name in names:
        moved = (now[name] - before[name]).abs() > 5e-4  # Adam's first step is the rate, by sign
        assert torch.allclose(after[name][moved], now[name][moved], atol=2e-5), name
        follows = 0.9 * before[name] + 0.1 * after[name]
        assert torch.allclose(teacher[name], follows, atol=1e-6), name


def test_uncertainty_is_a_share_of_the_largest_entropy() -> None:
    model = make("rotta", every=9)
    row = play(model, frames()[:1])[0]
    (item,) = model.learner.frames.items
    assert item.uncertainty == pytest.approx(row["entropy"] / math.log(CLASSES))
