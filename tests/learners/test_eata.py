"""EATA's filters, weights and regulariser against a plain computation."""

from __future__ import annotations

import math

import pytest
import torch
from adapting import CLASSES, frames, make, seen, weights
from torch.nn import functional as F

from driftseg.control.contract import Order
from driftseg.learners.parts.pixels import entropies

E0 = 0.4 * math.log(CLASSES)


def pixels(logits: torch.Tensor) -> torch.Tensor:
    return logits.detach()[0].flatten(1).T.double()


def test_loss_and_mean_prediction_are_the_papers() -> None:
    model = make("eata", fisher_frames=0, redundancy=0.9, norm_statistics="batch")
    mean = None
    for image in frames()[:4]:
        answer = seen(model, image)
        p = pixels(answer.logits).softmax(1)
        entropy = -(p * p.log()).sum(1)
        kept = entropy < E0
        if mean is not None:
            cosine = (p @ mean) / (p.norm(dim=1) * mean.norm())
            kept &= cosine.abs() < 0.9
        loss = (entropy * torch.exp(E0 - entropy))[kept].mean()
        step = model.learner.learn(answer, Order(True))
        assert step.losses["loss"] == pytest.approx(float(loss), rel=1e-3)
        assert step.losses["kept"] == pytest.approx(float(kept.double().mean()), abs=1e-3)
        now = p[kept].mean(0)
        mean = now if mean is None else 0.9 * mean + 0.1 * now
        assert torch.allclose(model.learner._mean.double(), mean, atol=1e-4)


def test_the_gradient_is_that_of_the_weighted_entropy() -> None:
    """The weights carry no gradient: d loss is the mean of weight * d entropy."""
    one, other = (make("eata", "mit", fisher_frames=0) for _ in range(2))
    answer = seen(one, frames()[0])
    one.learner.learn(answer, Order(True))
    again = seen(other, frames()[0])
    entropy = entropies(again.logits[0].flatten(1).T)
    kept = entropy < E0
    total = (entropy[kept] * (E0 - entropy[kept].detach()).exp()).sum() / kept.sum()
    total.backward()
    for name, parameter in other.learner.parameters.items():
        if parameter.grad is not None:
            wanted = parameter - 2.5e-4 * parameter.grad
            assert torch.allclose(one.learner.parameters[name], wanted, atol=1e-6), name


def test_fisher_is_the_mean_squared_gradient_of_the_answers_cross_entropy() -> None:
    model, plain = (make("eata", "mit", fisher_frames=2, fisher_weight=3.0) for _ in range(2))
    wanted = {n: torch.zeros_like(p) for n, p in plain.learner.parameters.items()}
    before = weights(model)
    for image in frames()[:2]:
        step = model.learner.learn(seen(model, image), Order(True))
        assert (step.made, step.reason) == (False, None)
        logits = seen(plain, image).logits
        F.cross_entropy(logits, logits.argmax(1)).backward()
        for name, parameter in plain.learner.parameters.items():
            if parameter.grad is not None:
                wanted[name] += parameter.grad**2
                parameter.grad = None
    assert all(torch.equal(tensor, before[n]) for n, tensor in weights(model).items())
    for name, found in model.learner.fisher.items():
        assert torch.allclose(found, wanted[name], rtol=1e-3, atol=1e-9), name
    assert float(model.learner._regulariser().detach()) == 0.0
    with torch.no_grad():
        for parameter in model.learner.parameters.values():
            parameter.add_(0.5)
    total = 3.0 / 2 * 0.25 * sum(float(tensor.double().sum()) for tensor in wanted.values())
    assert float(model.learner._regulariser().detach()) == pytest.approx(total, rel=1e-3)


def test_nothing_is_learnt_where_no_pixel_passes() -> None:
    model = make("eata", fisher_frames=0, entropy_margin=0.0)
    before = weights(model)
    step = model.learner.learn(seen(model, frames()[0]), Order(True))
    assert (step.made, step.reason, step.losses["kept"]) == (False, None, 0.0)
    assert all(torch.equal(tensor, before[n]) for n, tensor in weights(model).items())


@pytest.mark.parametrize("settings", [{"fisher_frames": 0}, {"fisher_weight": 0.0}])
def test_without_a_regulariser_it_is_rdumbs_step(settings) -> None:
    """ETA, the paper's own name for it."""
    eata, rdumb = make("eata", "mit", **settings), make("rdumb", "mit")
    waits = 0 if settings == {"fisher_frames": 0} else 4
    for image in frames()[:waits]:
        eata.predict(image)
        assert not eata.learn().trained
    for image in frames()[4:7]:
        said = [(model.predict(image).confidence, model.learn().losses) for model in (eata, rdumb)]
        assert said[0][0] == said[1][0]
        assert said[0][1] == pytest.approx(said[1][1])
