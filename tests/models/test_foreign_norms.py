"""Norms in modules of others: subclasses, layers in two places, norms without statistics."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn

import driftseg
from driftseg import InputError
from driftseg.models.roles import Roles
from driftseg.models.trainable import trainable_names
from driftseg.models.wrapped import WrappedNetwork, wrap

SIZE = (64, 96)


class ActingNorm(nn.BatchNorm2d):
    """As timm's: an activation follows in the same layer."""

    def forward(self, x):
        return super().forward(x).relu()


class Net(nn.Module):
    """Two convolutions, each with a norm."""

    def __init__(self, norm: Callable[[int], nn.Module], act: nn.Module):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), norm(8)
        self.second, self.other = nn.Conv2d(8, 8, 3, padding=1), norm(8)
        self.last, self.act = nn.Conv2d(8, 11, 1), act

    def forward(self, images):
        x = self.act(self.norm(self.first(images)))
        return self.last(self.act(self.other(self.second(x))))


def net(norm: Callable[[int], nn.Module], act: nn.Module | None = None) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net(norm, nn.ReLU() if act is None else act)


def images(seed: int) -> torch.Tensor:
    return torch.rand((1, 3, *SIZE), generator=torch.Generator().manual_seed(seed))


def moved_by(network: WrappedNetwork, policy) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    roles = Roles(network, trainable_names(network, ["norms"]), norm_statistics=policy)
    with torch.no_grad():
        for seed in range(3):
            levels = roles.levels("student", roles.prefix(images(seed)), update=True)
            logits = roles.logits("student", levels, update=True)
    return logits, {name: b.clone() for name, b in network.module.named_buffers()}


@pytest.mark.parametrize("policy", ["source", "running", "batch", "published"])
def test_a_subclass_of_batch_norm_follows_the_policy(policy) -> None:
    ours, plain = moved_by(wrap(net(nn.BatchNorm2d), size=SIZE), policy)
    theirs, subclassed = moved_by(wrap(net(ActingNorm, nn.Identity()), size=SIZE), policy)
    assert torch.equal(ours, theirs)
    assert plain.keys() == subclassed.keys()
    assert all(torch.equal(plain[name], subclassed[name]) for name in plain)


def test_a_subclass_stays_one_when_copied_and_pickled() -> None:
    module = wrap(net(ActingNorm, nn.Identity()), size=SIZE).module
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert isinstance(twin.norm, ActingNorm)
        assert type(twin.norm) is type(module.norm)
        assert twin.norm.weight is not module.norm.weight
        assert torch.equal(twin(images(0)), module(images(0)))


def test_a_norm_in_two_places_stays_one() -> None:
    module = net(nn.BatchNorm2d)
    module.other = module.norm
    keys = list(module.state_dict())
    wrapped = wrap(module, size=SIZE).module
    assert wrapped.other is wrapped.norm
    assert list(wrapped.state_dict()) == keys


@pytest.mark.parametrize(
    "norm",
    [lambda c: nn.GroupNorm(2, c), lambda c: nn.InstanceNorm2d(c, affine=True)],
    ids=["group", "instance"],
)
def test_all_norms_are_norms_and_only_batch_norm_has_statistics(norm) -> None:
    network = wrap(net(norm), size=SIZE)
    names = ["norm.weight", "norm.bias", "other.weight", "other.bias"]
    assert trainable_names(network, ["norms"]) == names
    adapter = driftseg.adapt(driftseg.load_model(net(norm), size=SIZE), "norm_statistics")
    with pytest.raises(
        InputError,
        match="norm_statistics: expected a model with running "
        "statistics of batch normalisation, got none",
    ):
        adapter.predict((images(0)[0] * 255).byte())
