"""alpha-BN against the formula, layer by layer."""

from __future__ import annotations

import copy

import pytest
import torch
from adapting import frames, make, network, play
from torch import nn

import driftseg
from driftseg.errors import InputError
from driftseg.learners.answering import to_images


class Blended(nn.BatchNorm2d):
    """(1 - alpha) * source + alpha * batch, written out."""

    alpha = 0.0

    def forward(self, x):
        shape = (1, -1, 1, 1)
        mean = (1 - self.alpha) * self.running_mean + self.alpha * x.mean((0, 2, 3))
        var = (1 - self.alpha) * self.running_var + self.alpha * x.var((0, 2, 3), unbiased=False)
        x = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + self.eps)
        return x * self.weight.view(shape) + self.bias.view(shape)


@pytest.mark.parametrize(("settings", "alpha"), [({"alpha": 0.3}, 0.3), ({"prior": 16}, 1 / 17)])
def test_the_frames_own_statistics(settings, alpha: float) -> None:
    plain = copy.deepcopy(network().module).eval()
    for module in plain.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = Blended(child.num_features, eps=child.eps)
                norm.load_state_dict(child.state_dict())
                norm.alpha = alpha
                setattr(module, name, norm)
    model = make("alpha_bn", **settings)
    for image in frames()[:2]:
        model.predict(image)
        with torch.no_grad():
            wanted = plain(to_images(image, torch.device("cpu")))
        assert torch.allclose(model.last_logits(), wanted, rtol=1e-3, atol=1e-3)
        assert not model.learn().trained


def test_the_ends_are_the_source_and_running_statistics() -> None:
    images = frames()[:4]
    source, running = play(make("source_only"), images), play(make("norm_statistics"), images)

    def answers(rows) -> list[tuple[float, float]]:
        return [(row["confidence"], row["label"]) for row in rows]

    for target in ("frame", "running"):
        none = play(make("alpha_bn", alpha=0.0, target=target), images)
        assert answers(none) == answers(source)
    assert answers(play(make("alpha_bn", alpha=1.0, target="running"), images)) == answers(running)


def test_a_model_without_such_statistics_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Conv2d(4, 5, 1))
    adapter = driftseg.adapt(driftseg.load_model(module, size=(64, 96)), "alpha_bn")
    with pytest.raises(InputError, match="alpha_bn: expected a model with running statistics"):
        adapter.predict(frames()[0])
