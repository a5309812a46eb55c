"""RMT's symmetric cross-entropy against its definition."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from adapting import frames, make, network

from driftseg.learners.answering import to_images
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.pixels import entropies, symmetric_cross_entropies
from driftseg.learners.settings import STREAMS


def cross_entropy(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return -(p * q.log()).sum(1)


def test_symmetric_cross_entropy_of_equals_is_their_entropy() -> None:
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(symmetric_cross_entropies(logits, logits), entropies(logits), atol=1e-6)
    other = logits.roll(1, 0)
    p, q = logits.softmax(1), other.softmax(1)
    wanted = (cross_entropy(p, q) + cross_entropy(q, p)) / 2
    assert torch.allclose(symmetric_cross_entropies(logits, other), wanted, atol=1e-5)
    assert torch.allclose(
        symmetric_cross_entropies(logits, other), symmetric_cross_entropies(other, logits)
    )


def test_two_steps_are_sgds_on_both_views() -> None:
    model = make("rmt", "mit", teacher_momentum=0.5)
    plain = network("mit").module.eval()
    teacher = copy.deepcopy(plain).requires_grad_(False)
    named = [(n, p) for n, p in plain.named_parameters() if not n.startswith("early_head")]
    optimiser = torch.optim.SGD([parameter for _, parameter in named], lr=1e-3, momentum=0.9)
    draws = np.random.default_rng([0, STREAMS["learner"]])
    for image in frames()[:2]:
        images = to_images(image, torch.device("cpu"))
        view = jitter_and_blur(images, strength=0.2, blur=True, generator=draws)
        q = teacher(images).softmax(1)
        parts = []
        for seen in (images, view):
            p = plain(seen).softmax(1)
            parts.append((cross_entropy(p, q) + cross_entropy(q, p)).mean() / 2)
        wanted = plain(images).detach() + teacher(images)
        optimiser.zero_grad()
        (sum(parts) / 2).backward()
        optimiser.step()
        averaged = dict(teacher.named_parameters())
        for name, parameter in named:
            averaged[name].copy_((averaged[name] + parameter.detach()) / 2)
        model.predict(image)
        assert torch.allclose(model.last_logits(), wanted, rtol=1e-3, atol=1e-3)
        losses = model.learn().losses
        assert losses["plain"] == pytest.approx(parts[0].item(), rel=1e-3)
        assert losses["distorted"] == pytest.approx(parts[1].item(), rel=1e-3)
    state = model.roles.network.module.state_dict()
    for name, parameter in named:
        assert torch.allclose(state[name], parameter, atol=1e-5), name
