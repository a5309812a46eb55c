"""Roles of a network with adapters: static means without them, whatever became of them."""

from __future__ import annotations

import copy

import pytest
import torch
from adapter_cases import CASES, adapted, wake
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network, picture
from torch import Tensor

from driftseg.models.adapters import load_adapters, save_adapters
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Segmenter
from driftseg.models.trainable import parameter_groups, trainable_names


def answer(roles: Roles, role: str, images: Tensor) -> Tensor:
    with torch.no_grad():
        levels = roles.levels(role, roles.prefix(images))
        return torch.cat([roles.logits(role, levels),
                          roles.logits(role, levels, head="early")])  # fmt: skip


def alone(model: Segmenter, images: Tensor) -> Tensor:
    with torch.no_grad():
        levels = model.encoder(model.start(images).x)
        return torch.cat([model.head(levels), model.early_head(levels[:1])])


def roles_of(model: Segmenter, train: list[str], **options: object) -> Roles:
    options = {"teacher": True, "static": "whole", **options}
    return Roles(model, trainable_names(model, train), **options)  # type: ignore[arg-type]


def learn(roles: Roles, *, steps: int = 2, rate: float = 1e-2) -> None:
    """AdamW on the student, the teacher following."""
    groups = parameter_groups(
        roles.network, roles.trainable, learning_rate=rate, head_factor=1, weight_decay=0.1
    )
    optimiser = torch.optim.AdamW(groups)
    for step in range(steps):
        levels = roles.levels("student", roles.prefix(picture(step, batch=2)), training=True)
        roles.logits("student", levels, training=True).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        roles.move_teacher(0.5)


@pytest.mark.parametrize("case", CASES)
def test_static_is_the_base_before_and_after_training(case) -> None:
    base, images = network(case[0]), picture(5)
    expected = alone(base, images)
    roles = roles_of(adapted(*case), ["adapters", "head", "early_head"])
    for role in ("student", "teacher", "static"):
        assert torch.equal(answer(roles, role, images), expected), role
    learn(roles, steps=3)
    assert torch.equal(answer(roles, "static", images), expected)
    for role in ("student", "teacher"):
        assert not torch.allclose(answer(roles, role, images), expected), role
    frozen = dict(base.named_parameters())
    for name, parameter in roles.network.named_parameters():
        if name not in roles.trainable:
            assert torch.equal(parameter, frozen[name]), name


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("train", [["adapters", "head"], ["head"], []])
def test_static_is_the_base_when_trained_adapters_are_loaded(case, train, tmp_path) -> None:
    """Also where they do not learn: then no overlay of trained tensors would hold them."""
    trained = adapted(*case)
    wake(trained)
    save_adapters(tmp_path / "a.safetensors", trained, encoder=case[0])
    images = picture(5)
    model = network(case[0])
    load_adapters(tmp_path / "a.safetensors", model)
    roles = roles_of(model, train)
    assert torch.equal(answer(roles, "static", images), alone(network(case[0]), images))
    for role in ("student", "teacher"):
        assert torch.equal(answer(roles, role, images), alone(trained, images)), role
    assert not torch.allclose(alone(trained, images), alone(network(case[0]), images))


@settings(max_examples=15, deadline=None)
@given(
    case=st.sampled_from(CASES),
    stages=st.sets(st.integers(1, 4), min_size=1),
    awake=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_role_equals_a_network_of_its_own_bit_for_bit(case, stages, awake, seed) -> None:
    model = adapted(*case, stages=sorted(stages), seed=seed)
    if awake:
        wake(model, seed)
    first = copy.deepcopy(model)
    roles = roles_of(model, ["adapters", "head"], learning=())
    images = picture(seed)
    base = network(case[0], seed=seed)
    assert roles.shared_stages == (min(stages) - 1 if awake else 4)
    assert torch.equal(answer(roles, "static", images), alone(base, images))
    for role in ("student", "teacher"):
        assert torch.equal(answer(roles, role, images), alone(first, images))
    roles.learn_only(roles.trainable)
    assert roles.shared_stages == min(stages) - 1
    wake(model, seed + 1)
    roles.move_teacher(0.3)
    teacher = copy.deepcopy(model)
    teacher.load_state_dict({**model.state_dict(), **roles.overlays["teacher"]})
    for role, expected in (("student", model), ("teacher", teacher), ("static", base)):
        assert torch.equal(answer(roles, role, images), alone(expected, images)), role


def test_the_teacher_of_adapters_that_have_not_learnt_stays_the_student() -> None:
    """That static differs from both is no reason to average."""
    model = adapted("mit_b0", "adaptformer", "block")
    wake(model)
    roles = roles_of(model, ["adapters", "head"], learning=())
    roles.move_teacher(0.7)
    for name, tensor in roles.overlays["teacher"].items():
        assert torch.equal(tensor, model.get_parameter(name))


def test_an_early_static_role_holds_the_first_stage_only() -> None:
    model = adapted("mit_b0", "adaptformer", "block")
    wake(model)
    roles = roles_of(model, ["adapters", "head"], static="early", learning=())
    held = {name for name in adapter_names(model) if ".stages.0." in name}
    assert set(roles.overlays["static"]) == held
    assert roles.shared_stages == 0
    images, base = picture(2), network()
    with torch.no_grad():
        levels = roles.levels("static", roles.prefix(images), depth=1)
        logits = roles.logits("static", levels, head="early")
        assert torch.equal(logits, base.early_head(base.encoder(base.start(images).x)[:1]))


def test_without_a_static_role_loaded_adapters_are_shared() -> None:
    model = adapted("mit_b0", "adaptformer", "block")
    wake(model)
    assert roles_of(model, ["head"], static="none").shared_stages == 4
    assert roles_of(model, ["head"], static="whole").shared_stages == 0


def test_state_goes_on_in_another_process() -> None:
    def make() -> Roles:
        model = adapted("efficientnet_lite0", "convolution", "block", seed=3)
        wake(model, 9)
        return roles_of(model, ["adapters", "head"])

    roles, other = make(), make()
    learn(roles)
    other.load_state_dict(roles.state_dict())
    images = picture(1)
    for role in ("student", "teacher", "static"):
        assert torch.equal(answer(roles, role, images), answer(other, role, images))
    assert roles.overlay_bytes("teacher") == other.overlay_bytes("teacher")


@pytest.mark.parametrize("case", CASES)
def test_frozen_stages_do_not_move_by_a_bit_across_learn_only(case) -> None:
    """Adapters of the stages chosen learn, all else stays: AdamW with decay, in turn."""
    model = adapted(*case)
    roles = roles_of(model, ["adapters", "head"], learning=())
    groups = parameter_groups(
        model, roles.trainable, learning_rate=1e-2, head_factor=1, weight_decay=0.1
    )
    optimiser = torch.optim.AdamW(groups)
    parts = model.parts
    for chosen in (4, 2, 4, 3):
        names = {n for i in range(chosen, 5) for n in parts[f"encoder.stage{i}"]}
        learning = [n for n in roles.trainable if n in names | {*parts["head"]}]
        roles.learn_only(learning)
        before = {n: t.clone() for n, t in model.state_dict().items()}
        levels = roles.levels("student", roles.prefix(picture(chosen)), training=True)
        roles.logits("student", levels, training=True).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        moved = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
        assert moved <= set(learning)
        assert any(f".stages.{chosen - 1}." in name for name in moved)
