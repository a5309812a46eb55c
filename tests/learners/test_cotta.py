"""CoTTA's label, its teacher and its restoring against plain computations."""

from __future__ import annotations

import copy

import pytest
import torch
from adapting import frames, make, network, seen, weights
from torch.nn import functional as F

from driftseg.control.contract import Order
from driftseg.learners.answering import to_images
from driftseg.models.segmenter import upsample

SIZE = (64, 96)


def probabilities(module, images) -> torch.Tensor:
    with torch.no_grad():
        return upsample(module(images), SIZE).softmax(1)


def test_the_answer_is_the_plain_label_where_the_source_is_sure() -> None:
    """Two scales with flips are averaged elsewhere; teacher and source are the same at first."""
    model, plain = make("cotta", scales=[1.0, 1.5], anchor=0.9), network().module.eval()
    images = to_images(frames()[0], torch.device("cpu"))
    large = F.interpolate(images, (96, 128), mode="bilinear", align_corners=False)
    views = [
        probabilities(plain, images), probabilities(plain, images.flip(3)).flip(3),
        probabilities(plain, large), probabilities(plain, large.flip(3)).flip(3),
    ]  # fmt: skip
    sure = views[0].amax(1, keepdim=True) > 0.9
    assert 0 < sure.float().mean() < 1
    wanted = torch.where(sure, views[0], sum(views) / 4)
    model.predict(frames()[0])
    assert torch.allclose(model.last_logits().exp(), wanted, atol=1e-4)


@pytest.mark.parametrize("anchor", [0.0, 1.0])
def test_the_anchor_chooses(anchor: float) -> None:
    """At 0 one view answers, whatever the scales; at 1 the average does."""
    one = make("cotta", anchor=anchor, scales=[1.0], flip=False)
    other = make("cotta", anchor=anchor, scales=[0.5, 1.5])
    labels = [model.predict(frames()[0]).label for model in (one, other)]
    assert (labels[0] == labels[1]).all() == (anchor == 0)


def test_one_step_is_adams_on_the_hard_label_and_the_teacher_follows() -> None:
    model = make("cotta", "mit", scales=[1.0], flip=False, restore=0.0, teacher_momentum=0.9)
    plain = network("mit").module.eval()
    teacher = copy.deepcopy(plain)
    named = [(n, p) for n, p in plain.named_parameters() if not n.startswith("early_head")]
    optimiser = torch.optim.Adam([parameter for _, parameter in named], lr=7.5e-6)
    for image in frames()[:2]:
        images = to_images(image, torch.device("cpu"))
        label = probabilities(teacher, images).argmax(1)
        loss = F.cross_entropy(upsample(plain(images), SIZE), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        averaged = dict(teacher.named_parameters())
        with torch.no_grad():
            for name, parameter in named:
                averaged[name].copy_(0.9 * averaged[name] + 0.1 * parameter)
        model.predict(image)
        assert model.learn().losses["loss"] == pytest.approx(loss.item(), rel=1e-3)
    for name, tensor in model.roles.overlays["teacher"].items():
        assert torch.allclose(tensor, averaged[name], atol=1e-6), name


def test_restored_numbers_are_the_sources_and_their_share_is_stated() -> None:
    model = make("cotta", "mit", scales=[1.0], flip=False, restore=0.3, learning_rate=1e-3)
    source = weights(model)
    model.predict(frames()[0])
    assert model.learn().trained
    now = weights(model)
    names = [name for name in model.roles.trainable if "weight" in name and source[name].ndim > 1]
    same = sum(int((now[name] == source[name]).sum()) for name in names)
    share = same / sum(source[name].numel() for name in names)
    assert share == pytest.approx(0.3, abs=0.02)


def test_everything_restored_is_the_source() -> None:
    model = make("cotta", "mit", scales=[1.0], flip=False, restore=1.0)
    source = weights(model)
    step = model.learner.learn(seen(model, frames()[0]), Order(True))
    assert step.made
    assert all(torch.equal(tensor, source[name]) for name, tensor in weights(model).items())
