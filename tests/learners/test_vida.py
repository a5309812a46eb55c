"""ViDA's uncertainty, factors, label and step against plain computations."""

from __future__ import annotations

import copy

import pytest
import torch
from adapting import SIZE, frames, make, moved, network, play, put_adapters, seen, weights
from torch.nn import functional as F

import driftseg
from driftseg.config.adapt import AdaptConfig
from driftseg.control.contract import Order
from driftseg.errors import InputError
from driftseg.learners.answering import to_images
from driftseg.learners.vida import allotment, spread_of_views
from driftseg.models.adapters.dual_rank import dual_ranks_of, factors
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.segmenter import upsample
from driftseg.runs.adapting import make_adaptive
from foreign_models import Plain

GRID = (SIZE[1] // 4, SIZE[0] // 4)
"""Of the head of MiT."""


def woken(**settings):
    """On a tiny MiT whose adapters add something, and a copy of that network."""
    model = make("vida", "mit", **settings)
    module = model.roles.network.module
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name in adapter_names(module):
            drawn = 0.1 * torch.randn(module.get_parameter(name).shape, generator=generator)
            module.get_parameter(name).add_(drawn)
            model.roles.overlays["teacher"][name].add_(drawn)
    return model, copy.deepcopy(module)


def probabilities(module, images) -> torch.Tensor:
    with torch.no_grad():
        return upsample(module(images), GRID).softmax(1)


def four_views(module, images) -> torch.Tensor:
    """Two scales with flips."""
    large = F.interpolate(images, (96, 128), mode="bilinear", align_corners=False)
    return torch.stack([
        probabilities(module, images), upsample(module(images.flip(3)).flip(3), GRID).softmax(1),
        probabilities(module, large), upsample(module(large.flip(3)).flip(3), GRID).softmax(1),
    ]).detach()  # fmt: skip


def test_uncertainty_of_two_pixels_by_hand() -> None:
    """The first pixel's passes are (1, 0) and (0, 1): sqrt of .5. The second's are the same: 0."""
    one = torch.tensor([[1.0, 0.5], [0.0, 0.5]])[None, :, None]
    other = torch.tensor([[0.0, 0.5], [1.0, 0.5]])[None, :, None]
    assert float(spread_of_views(torch.stack([one, other]))) == pytest.approx(0.5**0.5 / 2)
    assert float(spread_of_views(torch.stack([one, one, one]))) == 0


@pytest.mark.parametrize(
    ("spread", "low", "high"),
    [(0.3, 0.7, 1.3), (0.2, 0.8, 1.2), (0.19, 1.19, 0.81), (0.0, 1.0, 1.0)],
)
def test_the_factors_on_both_sides_of_the_threshold(spread: float, low: float, high: float) -> None:
    assert allotment(spread, 0.2) == pytest.approx((low, high))


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_answer_is_the_teachers_with_the_frames_factors(threshold: float) -> None:
    model, plain = woken(scales=[1.0, 1.5], threshold=threshold)
    images = to_images(frames()[0], torch.device("cpu"))
    spread = float(spread_of_views(four_views(plain, images)))
    assert 0.01 < spread < 1
    low, high = (1 - spread, 1 + spread) if threshold == 0 else (1 + spread, 1 - spread)
    with torch.no_grad(), factors(dual_ranks_of(plain), low, high):
        wanted = plain(images)
    model.predict(frames()[0])
    assert torch.allclose(model.last_logits(), wanted, atol=1e-4)
    assert not torch.allclose(model.last_logits(), plain(images), atol=1e-3)


@pytest.mark.parametrize("fused", [False, True])
def test_steps_are_adams_on_the_mean_of_views_and_the_teacher_follows(fused: bool) -> None:
    model, plain = woken(
        scales=[1.0, 1.5], teacher_momentum=0.9, learning_rate=1e-3, fused_views=fused
    )
    teacher = copy.deepcopy(plain)
    names = adapter_names(plain)
    optimiser = torch.optim.Adam([plain.get_parameter(name) for name in names], lr=1e-3)
    for image in frames()[:2]:
        images = to_images(image, torch.device("cpu"))
        views = four_views(teacher, images)
        spread = float(spread_of_views(views))
        low, high = allotment(spread, 0.2)
        if fused:
            with factors(dual_ranks_of(teacher), low, high):
                views = four_views(teacher, images)
        with factors(dual_ranks_of(plain), low, high):
            loss = F.cross_entropy(plain(images), views.mean(0))
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        with torch.no_grad():
            for name in names:
                teacher.get_parameter(name).lerp_(plain.get_parameter(name), 0.1)
        model.predict(image)
        losses = model.learn().losses
        assert losses["loss"] == pytest.approx(loss.item(), rel=1e-3)
        assert losses["uncertainty"] == pytest.approx(spread, rel=1e-3)
    for name, tensor in model.roles.overlays["teacher"].items():
        assert torch.allclose(tensor, teacher.get_parameter(name), atol=1e-5), name


@pytest.mark.parametrize("kind", ["mit", "efficientnet", "plain"])
def test_before_it_learns_it_answers_as_the_source_model(kind: str) -> None:
    """Fresh adapters add 0, whatever their factors are."""
    source = make("source_only", kind)
    model = make("vida", kind, scales=[1.0, 1.5])
    for image in frames()[:2]:
        source.predict(image)
        model.predict(image)
        assert torch.equal(model.last_logits(), source.last_logits())


@pytest.mark.parametrize("kind", ["mit", "efficientnet", "plain"])
def test_only_adapters_learn_and_nothing_at_rate_0(kind: str) -> None:
    model = make("vida", kind, scales=[1.0, 1.5])
    names = {*adapter_names(model.roles.network.module)}
    before = weights(model)
    model.predict(frames()[0])
    assert model.learner.learn(seen(model, frames()[0]), Order(True, learning_rate=0.0)).made
    assert moved(model, before) == set()
    play(model, frames()[:2])
    assert moved(model, before) == names


def test_more_parts_may_learn() -> None:
    net = network("mit")
    put_adapters(net, "vida")
    model = make_adaptive(
        settings := AdaptConfig(method={"name": "vida", "train": ["adapters", "head"]}).method,
        net, source=None, classes=tuple("abcdefghijk"), size=SIZE,
    )  # fmt: skip
    assert settings.needs().train == ("adapters", "head")
    before = weights(model)
    play(model, frames()[:1])
    assert {name.partition(".")[0] for name in moved(model, before)} == {"encoder", "head"}


def test_a_frame_that_is_answered_late_is_learnt_as_itself() -> None:
    """Another frame's evaluation between answer and step changes nothing."""
    one, other = (make("vida", "mit", scales=[1.0, 1.5]) for _ in range(2))
    for image in frames()[:2]:
        one.predict(image)
        other.predict(image)
        other.answers(frames()[5])
        assert one.learn().losses == other.learn().losses


def test_adapters_come_with_the_method() -> None:
    found = AdaptConfig(method={"name": "vida"}).adapters
    assert found is not None
    assert (found.kind, found.factor) == ("vida", 10.0)
    assert AdaptConfig(method={"name": "composed", "learner": {"name": "vida"}}).adapters == found
    assert AdaptConfig(method={"name": "tent"}).adapters is None
    own = AdaptConfig(method={"name": "vida"}, adapters={"kind": "vida", "high_rank": 4}).adapters
    assert own is not None
    assert own.high_rank == 4


def test_other_adapters_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"adapters\.kind: expected vida, the adapters of the method vida, got lora",
    ):
        driftseg.adapt(Plain(), "vida", adapters={"kind": "lora", "at": ["*"]})
    settings = AdaptConfig(method={"name": "vida", "train": ["head"]}).method
    with pytest.raises(InputError, match="vida: expected a network with adapters of the kind vida"):
        make_adaptive(settings, network("mit"), source=None, classes=tuple("abc"), size=SIZE)


@pytest.mark.parametrize("given", [{}, {"adapters": {"kind": "vida", "at": ["first"], "rank": 2}}])
def test_a_torch_module_adapts_and_merges(given: dict) -> None:
    """Without a section every layer gets adapters, with one those that it names."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = Plain()
    plain = copy.deepcopy(module).eval()
    online = driftseg.adapt(
        module, "vida", scales=[1.0, 1.5], learning_rate=1e-2, guard="off", **given
    )
    for image in frames()[:3]:
        online.predict(image)
        assert online.learn().trained
    found = {name.partition(".")[0] for name in adapter_names(module)}
    assert found == ({"first"} if given else {"first", "second"})
    merged = online.merge().module
    assert not adapter_names(merged)
    images = torch.rand(1, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(merged(images), module.eval()(images), atol=1e-5)
        assert not torch.allclose(merged(images), plain(images), atol=1e-3)
