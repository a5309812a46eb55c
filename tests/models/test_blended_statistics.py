"""Statistics between the source's and the target's, under every kind of network."""

from __future__ import annotations

import copy

import pytest
import torch
from networks import network, picture
from torch import nn

from driftseg.models.norm import BatchNorm
from driftseg.models.roles import Roles
from driftseg.models.trainable import trainable_names
from driftseg.models.wrapped import wrap
from foreign_models import foreign

SIZE = (64, 96)


class ActingNorm(nn.BatchNorm2d):
    """As timm's: an activation follows in the same layer."""

    def forward(self, x):
        return super().forward(x).relu()


def acting() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), ActingNorm(8), nn.Conv2d(8, 5, 1))


MAKERS = {
    "mit_b0": lambda: network("mit_b0"),
    "efficientnet_lite0": lambda: network("efficientnet_lite0"),
    "plain": lambda: wrap(foreign("plain"), size=SIZE),
    "unet": lambda: wrap(foreign("unet"), size=SIZE, parts=["encoder.layer4", "decoder"]),
    "acting": lambda: wrap(acting(), size=SIZE),
}
NETWORKS = pytest.mark.parametrize("kind", MAKERS)


def roles_of(kind: str, policy: str = "blend", train=(), **options) -> Roles:
    with torch.random.fork_rng():
        made = MAKERS[kind]()
    return Roles(made, trainable_names(made, train), norm_statistics=policy, **options)


def answer(roles: Roles, seed: int = 9, role: str = "student") -> torch.Tensor:
    with torch.no_grad():
        return roles.logits(role, roles.levels(role, roles.prefix(picture(seed))))


def update(roles: Roles, seed: int) -> None:
    with torch.no_grad():
        walk = roles.prefix(picture(seed))
        roles.logits("student", roles.levels("student", walk, update=True), update=True)


@NETWORKS
def test_the_ends_are_the_source_and_the_running_statistics(kind: str) -> None:
    roles, source = roles_of(kind), roles_of(kind, "source")
    running = roles_of(kind, "running", ["norms"])
    roles.blend_statistics(0.6)
    for seed in range(3):
        update(roles, seed)
        update(running, seed)
    roles.blend_statistics(0.0)
    assert torch.equal(answer(roles), answer(source))
    roles.blend_statistics(1.0)
    assert torch.equal(answer(roles), answer(running))
    assert not torch.equal(answer(roles), answer(source))
    roles.blend_statistics(0.0)
    assert torch.equal(answer(roles), answer(source))


@NETWORKS
def test_between_them_means_and_variances_are_mixed(kind: str) -> None:
    roles, running = roles_of(kind), roles_of(kind, "running", ["norms"])
    source = {n: b.clone() for n, b in roles.network.module.named_buffers()}
    update(roles, 1)
    update(running, 1)
    roles.blend_statistics(0.25)
    assert roles.blend_weight == 0.25
    moved = dict(running.network.module.named_buffers())
    alone = copy.deepcopy(running.network.module)
    looked = 0
    for name, buffer in roles.network.module.named_buffers():
        if name in roles.moving_statistics() and buffer.is_floating_point():
            expected = 0.75 * source[name] + 0.25 * moved[name]
            assert torch.allclose(buffer, expected, atol=1e-6), name
            alone.get_buffer(name).copy_(expected)
            looked += 1
        elif not buffer.is_floating_point():
            continue
        else:
            assert torch.equal(buffer, source[name]), name
    assert looked == 2 * len(roles._norms.norm_weights()) > 0
    if kind in ("mit_b0", "efficientnet_lite0"):
        assert torch.allclose(answer(roles), alone(picture(9)), atol=1e-4)


def test_the_early_head_keeps_the_source() -> None:
    names = roles_of("mit_b0")._norms.norm_weights()
    assert names == ["head.norm.weight"]


@pytest.mark.parametrize("policy", ["blend", "blend_with_frame"])
def test_static_stays_and_training_passes_move_nothing(policy: str) -> None:
    roles = roles_of("efficientnet_lite0", policy, ["head"], teacher=True, static="whole")
    first = answer(roles, role="static")
    roles.blend_statistics(0.5)
    update(roles, 2)
    assert torch.equal(answer(roles, role="static"), first)
    before = {n: b.clone() for n, b in roles.network.module.named_buffers()}
    walk = roles.prefix(picture(3))
    levels = roles.levels("student", walk, training=True)
    roles.logits("student", levels, training=True).square().mean().backward()
    for name, buffer in roles.network.module.named_buffers():
        assert torch.equal(buffer, before[name]), name
    assert {n for n, p in roles.network.module.named_parameters() if p.grad is not None} == {
        *roles.trainable
    }
    assert torch.equal(answer(roles, role="teacher"), answer(roles))


def test_the_weight_may_change_before_gradients_are_taken() -> None:
    roles = roles_of("efficientnet_lite0", train=["norms"])
    update(roles, 1)
    roles.blend_statistics(0.5)
    logits = roles.logits("student", roles.levels("student", roles.prefix(picture())))
    (wanted,) = torch.autograd.grad(
        logits.square().mean(), [roles.network.module.head.norm.weight], retain_graph=True
    )
    roles.blend_statistics(1.0)
    update(roles, 2)
    (found,) = torch.autograd.grad(logits.square().mean(), [roles.network.module.head.norm.weight])
    assert torch.equal(wanted, found)


@pytest.mark.parametrize("policy", ["blend", "blend_with_frame"])
def test_a_state_goes_on_to_the_last_bit(policy: str) -> None:
    def go_on(roles: Roles) -> torch.Tensor:
        update(roles, 4)
        first = answer(roles)
        roles.blend_statistics(0.9)
        return torch.cat([first, answer(roles)])

    one, other = roles_of("efficientnet_lite0", policy), roles_of("efficientnet_lite0", policy)
    for seed in range(2):
        update(one, seed)
        one.blend_statistics(0.3 + seed / 10)
    state = one.state_dict()
    other.load_state_dict(copy.deepcopy(state))
    assert other.blend_weight == 0.4
    wanted = go_on(one)
    assert torch.equal(go_on(other), wanted)
    one.load_state_dict(state)
    assert torch.equal(go_on(one), wanted)


def test_what_was_moved_can_be_put_back() -> None:
    roles = roles_of("efficientnet_lite0")
    roles.blend_statistics(0.7)
    update(roles, 1)
    first, before = answer(roles), roles.moving_statistics()
    update(roles, 2)
    assert not torch.equal(answer(roles), first)
    roles.restore_statistics(before)
    assert torch.equal(answer(roles), first)
    update(roles, 2)
    roles.restore_statistics(before)
    assert torch.equal(answer(roles), first)


@NETWORKS
def test_a_frames_own_statistics_end_at_source_and_batch(kind: str) -> None:
    roles = roles_of(kind, "blend_with_frame")
    assert torch.equal(answer(roles), answer(roles_of(kind, "source")))
    roles.blend_statistics(1.0)
    batch = answer(roles_of(kind, "batch", ["norms"]))
    assert torch.allclose(answer(roles), batch, rtol=1e-3, atol=1e-3 * float(batch.abs().max()))
    roles.blend_statistics(0.5)
    before = {n: b.clone() for n, b in roles.network.module.named_buffers()}
    assert not torch.allclose(answer(roles), batch, rtol=1e-3, atol=1e-3)
    for name, buffer in roles.network.module.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_a_layer_blends_its_own_batch() -> None:
    norm = BatchNorm(3)
    norm.running_mean.normal_(generator=torch.Generator().manual_seed(0))
    x = picture(2, batch=2) * 3 + 1
    norm.statistics, norm.batch_weight = "blend", 0.2
    mean = 0.8 * norm.running_mean + 0.2 * x.mean((0, 2, 3))
    var = 0.8 * norm.running_var + 0.2 * x.var((0, 2, 3), unbiased=False)
    shape = (1, 3, 1, 1)
    expected = (x - mean.view(shape)) / (var.view(shape) + norm.eps).sqrt()
    assert torch.allclose(norm(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("policy", "weight"), [("blend", 1.01), ("blend_with_frame", -0.1), ("running", 0.5)]
)
def test_what_cannot_be_blended_is_told(policy: str, weight: float) -> None:
    with pytest.raises(ValueError, match=f"got {weight} and {policy}. To fix: make the roles"):
        roles_of("mit_b0", policy).blend_statistics(weight)
