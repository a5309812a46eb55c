"""ROID's loss, weights, pull and prior against plain computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from adapting import CLASSES, frames, make, seen

from driftseg.control.contract import Order
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.pixels import soft_likelihood_ratios
from driftseg.learners.settings import STREAMS


def test_the_likelihood_ratio_of_two_classes() -> None:
    """-p log(p / q) - q log(q / p), which is 0 for a coin and falls as p grows."""
    p = torch.tensor([0.5, 0.7, 0.9])
    logits = torch.stack([p, 1 - p], 1).log()
    wanted = [-x * math.log(x / (1 - x)) - (1 - x) * math.log((1 - x) / x) for x in p.tolist()]
    assert soft_likelihood_ratios(logits).tolist() == pytest.approx(wanted, abs=1e-4)
    assert wanted[0] > wanted[1] > wanted[2]


def test_beyond_the_clip_there_is_no_gradient_for_the_winner() -> None:
    logits = torch.tensor([[12.0, 0.0, 0.0]], requires_grad=True)
    value = soft_likelihood_ratios(logits)
    assert value.item() == pytest.approx(-0.99 * math.log(99), abs=1e-3)


def test_loss_weights_and_mean_prediction_are_the_papers() -> None:
    model = make("roid", norm_statistics="batch")
    mean = torch.full((CLASSES,), 1 / CLASSES).double()
    draws = np.random.default_rng([0, STREAMS["learner"]])
    for image in frames()[:3]:
        answer = seen(model, image)
        view = jitter_and_blur(answer.images, strength=0.2, blur=True, generator=draws)
        with torch.no_grad():
            logits = answer.logits[0].flatten(1).T.double()
            other = model.learner.other(view)[0].flatten(1).T.double()
        p, q = logits.softmax(1), other.softmax(1)
        diversity = 1 - (p @ mean) / (p.norm(dim=1) * mean.norm())
        certainty = (p * p.log()).sum(1)
        scaled = [(x - x.min()) / (x.max() - x.min()) for x in (diversity, certainty)]
        factors = torch.exp(3 * scaled[0] * scaled[1])
        factors[scaled[0] < scaled[0].mean()] = 0
        clipped = p.clamp(max=0.99)
        ratio = -(clipped * (clipped / (1 - clipped) + 1e-5).log()).sum(1)
        both = -(p * q.log()).sum(1) / 2 - (q * p.log()).sum(1) / 2
        step = model.learner.learn(answer, Order(True))
        assert step.losses["likelihood_ratio"] == pytest.approx(
            float((ratio * factors).mean()), rel=2e-3, abs=1e-3
        )
        assert step.losses["consistency"] == pytest.approx(
            float((both * factors).mean()), rel=2e-3, abs=1e-3
        )
        mean = 0.9 * mean + 0.1 * p.mean(0)
        assert torch.allclose(model.learner._mean.double(), mean, atol=1e-4)


def test_weights_are_pulled_to_the_source() -> None:
    free, pulled = (make("roid", "mit", source_momentum=m) for m in (1.0, 0.75))
    source = free.learner.copies()
    for model in (free, pulled):
        model.learner.learn(seen(model, frames()[0]), Order(True))
    for name, before in source.items():
        wanted = 0.75 * free.learner.parameters[name] + 0.25 * before
        assert torch.allclose(pulled.learner.parameters[name], wanted, atol=1e-6), name


def test_the_answer_is_corrected_by_the_frames_prior() -> None:
    plain, model = make("roid", prior_correction=False), make("roid")
    for one in (plain, model):
        one.predict(frames()[0])
    logits = plain.last_logits()
    prior = logits.softmax(1).mean((0, 2, 3))
    smooth = (1 / CLASSES) / prior.max()
    factor = (prior + smooth) / (1 + smooth * CLASSES)
    assert float(factor.sum()) == pytest.approx(1.0, abs=1e-5)
    assert torch.allclose(model.last_logits(), logits * factor.view(1, -1, 1, 1), atol=1e-4)
