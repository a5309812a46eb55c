"""SAR against sharpness-aware minimisation written out on a copy."""

from __future__ import annotations

import math

import pytest
import torch
from adapting import CLASSES, frames, make, moved, network, play, seen, weights

from driftseg.control.contract import Order
from driftseg.learners.answering import to_images
from driftseg.learners.parts.pixels import entropies
from driftseg.learners.sar import lower_norms
from driftseg.models.roles import Roles
from driftseg.models.trainable import trainable_names

E0 = 0.4 * math.log(CLASSES)


def plain_entropies(module, image) -> torch.Tensor:
    return entropies(module(to_images(image, torch.device("cpu")))[0].flatten(1).T)


def test_two_steps_are_sharpness_aware_minimisation() -> None:
    model = make("sar", "mit", reset_below=0.0)
    plain = network("mit").module.eval()
    names = lower_norms(model.roles)
    tensors = [parameter for name, parameter in plain.named_parameters() if name in names]
    optimiser = torch.optim.SGD(tensors, lr=2.5e-4, momentum=0.9)
    for image in frames()[:2]:
        first = plain_entropies(plain, image)
        kept = first < E0
        gradients = torch.autograd.grad(first[kept].mean(), tensors, allow_unused=True)
        gradients = [torch.zeros_like(t) if g is None else g
                     for g, t in zip(gradients, tensors, strict=True)]  # fmt: skip
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        with torch.no_grad():
            for tensor, gradient in zip(tensors, gradients, strict=True):
                tensor.add_(0.05 * gradient / norm)
        second = plain_entropies(plain, image)
        loss = second[kept & (second < E0)].mean()
        optimiser.zero_grad()
        loss.backward()
        with torch.no_grad():
            for tensor, gradient in zip(tensors, gradients, strict=True):
                tensor.sub_(0.05 * gradient / norm)
        optimiser.step()
        step = model.learner.learn(seen(model, image), Order(True))
        assert step.losses["loss"] == pytest.approx(loss.item(), rel=1e-3)
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(weights(model)[name], tensor, atol=1e-5), name


@pytest.mark.parametrize("kind", ["mit", "plain"])
def test_the_top_layers_do_not_learn(kind: str) -> None:
    model = make("sar", kind)
    before = weights(model)
    play(model, frames()[:2])
    found = moved(model, before)
    assert found
    if kind == "mit":
        assert not [n for n in found if n.startswith(("encoder.stages.3", "head"))]
        assert [n for n in found if n.startswith("encoder.stages.2")]
    else:
        assert found == {"norm.weight", "norm.bias"}


def test_a_low_average_brings_the_source_back() -> None:
    model = make("sar", "mit", reset_below=1.0)
    before = weights(model)
    assert play(model, frames()[:1])[0]["trained"]
    assert moved(model, before) == set()
    assert model.learner._average is None


def test_the_average_is_the_papers() -> None:
    model = make("sar", "mit", reset_below=0.0)
    average = None
    for row in play(model, frames()[:3]):
        average = row["loss"] if average is None else 0.9 * average + 0.1 * row["loss"]
    assert model.learner._average == pytest.approx(average)


def test_the_published_limit_is_for_a_thousand_classes() -> None:
    roles = Roles(network("mit"), trainable_names(network("mit"), ["norms"]))
    assert len(lower_norms(roles)) < len(roles.trainable)
    learner = make("sar", "mit").learner
    assert learner._limit == pytest.approx(0.2 * math.log(CLASSES) / math.log(1000))
