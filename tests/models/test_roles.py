"""Laws of roles: overlays on one network."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network, picture
from torch import Tensor

from driftseg.errors import InputError
from driftseg.models.encoders import ENCODERS as KNOWN
from driftseg.models.norm import BatchNorm
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Segmenter, build_segmenter
from driftseg.models.trainable import freeze_except, parameter_groups, trainable_names

ENCODERS = ("tiny_mit", "tiny_lite", "tiny_swin")
TRAINS = (
    ["head"],
    ["encoder", "head"],
    ["encoder.stage4", "head"],
    ["encoder.stage2"],
    ["norms"],
    ["early_head"],
    ["encoder.stage3", "norms"],
)
cases = st.tuples(st.sampled_from(ENCODERS), st.sampled_from(TRAINS), st.integers(0, 99))


def roles_of(model: Segmenter, train: list[str], **options: object) -> Roles:
    return Roles(model, trainable_names(model, train), **options)  # type: ignore[arg-type]


def walk_alone(model: Segmenter, images: Tensor) -> tuple[Tensor, Tensor]:
    """Both heads of a whole network, computed without any sharing."""
    with torch.no_grad():
        levels = model.encoder(model.start(images).x)
        return model.head(levels), model.early_head(levels[:1])


def shake(model: Segmenter, names: list[str], seed: int) -> None:
    """Moves the named parameters, as training would."""
    generator = torch.Generator().manual_seed(seed)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in names:
            noise = torch.randn(parameters[name].shape, generator=generator)
            parameters[name].add_(noise, alpha=0.05)


@settings(max_examples=12, deadline=None)
@given(case=cases)
def test_every_role_equals_a_network_of_its_own_bit_for_bit(case) -> None:
    """Student, teacher and static through the shared prefix against three whole copies."""
    encoder, train, seed = case
    model = network(encoder, seed=seed)
    roles = roles_of(model, train, teacher=True, static="whole")
    static = copy.deepcopy(model)
    shake(model, list(roles.trainable), seed)
    roles.move_teacher(0.3)
    student = copy.deepcopy(model)
    teacher = copy.deepcopy(model)
    teacher.load_state_dict({**model.state_dict(), **roles.overlays["teacher"]})
    images = picture(seed)
    walk = roles.prefix(images)
    for role, alone in (("student", student), ("teacher", teacher), ("static", static)):
        with torch.no_grad():
            levels = roles.levels(role, walk)
            main = roles.logits(role, levels)
            early = roles.logits(role, levels, head="early")
        expected = walk_alone(alone, images)
        assert torch.equal(main, expected[0]), role
        assert torch.equal(early, expected[1]), role


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    ("train", "shared"),
    [(["head"], 4), (["encoder.stage4", "head"], 3), (["encoder.stage2"], 1), (["encoder"], 0),
     (["early_head"], 4), ([], 4)],
)  # fmt: skip
def test_length_of_the_shared_prefix(encoder: str, train: list[str], shared: int) -> None:
    model = network(encoder)
    roles = roles_of(model, train, teacher=True, static="whole")
    assert roles.shared_stages == shared
    assert len(roles.prefix(picture()).levels) == shared
    assert not roles.prefix(picture()).x.requires_grad


def test_empty_overlay_is_the_student() -> None:
    model = network()
    roles = roles_of(model, ["head"])
    assert roles.overlays == {"student": {}}
    assert roles.overlay_bytes("student") == 0


@settings(max_examples=10, deadline=None)
@given(momenta=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_teacher_follows_the_formula(momenta: list[float], seed: int) -> None:
    model = network(seed=seed)
    roles = roles_of(model, ["encoder.stage1", "head"], teacher=True)
    expected = {n: p.detach().double().clone() for n, p in model.named_parameters()}
    for step, momentum in enumerate(momenta):
        shake(model, list(roles.trainable), seed + step)
        roles.move_teacher(momentum)
        for name, parameter in model.named_parameters():
            if name in roles.trainable:
                now = parameter.detach().double()
                expected[name] = momentum * expected[name] + (1 - momentum) * now
    assert set(roles.overlays["teacher"]) == set(roles.trainable)
    for name, tensor in roles.overlays["teacher"].items():
        assert torch.allclose(tensor.double(), expected[name], rtol=1e-5, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(case=cases, statistics=st.sampled_from(["source", "running", "batch"]))
def test_frozen_tensors_do_not_move_by_a_bit(case, statistics: str) -> None:
    """Three steps of AdamW through every kind of pass; buffers of frozen norms included."""
    encoder, train, seed = case
    model = network(encoder, seed=seed)
    roles = roles_of(model, train, teacher=True, static="whole", norm_statistics=statistics)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    static = {n: t.clone() for n, t in roles.overlays["static"].items()}
    groups = parameter_groups(
        model, roles.trainable, learning_rate=1e-2, head_factor=10, weight_decay=0.1
    )
    optimiser = torch.optim.AdamW(groups)
    head = "early" if train == ["early_head"] else "main"
    for step in range(3):
        walk = roles.prefix(picture(step, batch=2))
        levels = roles.levels("student", walk, training=True)
        loss = roles.logits("student", levels, head=head, training=True).square().mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        roles.move_teacher(0.9)
        for role in ("teacher", "static"):
            roles.logits(role, roles.levels(role, walk))
    moving = set(roles.trainable)
    if statistics == "running":
        moving |= {
            f"{name}.{buffer}"
            for name, module in model.named_modules()
            if isinstance(module, BatchNorm) and f"{name}.weight" in moving
            for buffer, _ in module.named_buffers()
        }
    after = model.state_dict()
    changed = {n for n in after if not torch.equal(before[n], after[n])}
    assert changed <= moving
    reached = {n for n in roles.trainable if head in n or "encoder" in n}
    assert len(changed & reached) > 0.8 * len(reached & set(after)) - 3
    for name, tensor in roles.overlays["static"].items():
        assert torch.equal(tensor, static[name])


@settings(max_examples=20, deadline=None)
@given(
    encoder=st.sampled_from(ENCODERS),
    train=st.lists(st.sampled_from([train[0] for train in TRAINS]), max_size=6),
)
def test_optimiser_holds_exactly_the_trainable_set_once(encoder: str, train: list[str]) -> None:
    model = network(encoder)
    names = trainable_names(model, train)
    groups = parameter_groups(model, names, learning_rate=1.0, head_factor=10.0, weight_decay=0.5)
    held = [id(p) for group in groups for p in group["params"]]
    assert len(held) == len(set(held))
    parameters = dict(model.named_parameters())
    assert set(held) == {id(parameters[name]) for name in names}
    by_id = {id(p): n for n, p in parameters.items()}
    for group in groups:
        for parameter in group["params"]:
            name = by_id[id(parameter)]
            in_head = name.split(".")[0] in ("head", "early_head")
            assert group["lr"] == (10.0 if in_head else 1.0)
            if group["weight_decay"] == 0:
                assert parameter.ndim == 1 or name.endswith("relative_position_bias_table")
    if "norms" in train and train.count("norms") == len(train):
        assert all(group["weight_decay"] == 0 for group in groups)


@pytest.mark.parametrize("encoder", KNOWN)
def test_groups_partition_the_parameters(encoder: str) -> None:
    with torch.device("meta"):
        model = build_segmenter(encoder, classes=5)
    listed = [name for names in model.parts.values() for name in names]
    assert sorted(listed) == sorted(name for name, _ in model.named_parameters())
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_parts_that_do_not_learn_rest(encoder: str) -> None:
    """Without dropout and drop path, also where they were in training mode before."""
    model = network(encoder).train()
    learning = {"encoder.stage3", "early_head"}
    freeze_except(model, trainable_names(model, sorted(learning)))
    for part in model.parts:
        [of_part] = model.training_modules(part)
        modes = {module.training for module in of_part.modules()}
        assert modes == {part in learning}, part


def test_unknown_part_names_the_known_ones() -> None:
    with pytest.raises(
        InputError,
        match="train: expected a part of this model, got "
        r"'neck'.*encoder\.stage4",
    ):
        trainable_names(network(), ["neck"])


def test_norms_are_found_by_type() -> None:
    model = network("efficientnet_lite0")
    names = trainable_names(model, ["norms"])
    modules = dict(model.named_modules())
    assert names
    for name in names:
        assert isinstance(modules[name.rpartition(".")[0]], BatchNorm)
    assert not [n for n in names if n.startswith("early_head")]


class TestNormStatistics:
    """One stated policy; no pass moves statistics by accident."""

    def norm(self, model: Segmenter) -> BatchNorm:
        return model.head.norm

    def test_source_always_uses_the_file(self) -> None:
        model = network()
        roles = roles_of(model, ["head"], teacher=True)
        before = self.norm(model).running_mean.clone()
        roles.logits("student", roles.levels("student", roles.prefix(picture())), training=True)
        assert torch.equal(self.norm(model).running_mean, before)

    def test_running_moves_in_training_passes_only(self) -> None:
        model = network()
        roles = roles_of(model, ["head"], teacher=True, static="whole", norm_statistics="running")
        levels = roles.levels("student", roles.prefix(picture()))
        before = self.norm(model).running_mean.clone()
        for role in ("student", "teacher", "static"):
            roles.logits(role, levels)
        assert torch.equal(self.norm(model).running_mean, before)
        roles.logits("student", levels, training=True)
        moved = self.norm(model).running_mean
        expected = 0.9 * before + 0.1 * model.head.mix(levels).mean(dim=(0, 2, 3))
        assert torch.allclose(moved, expected, atol=1e-5)
        assert torch.equal(roles.overlays["static"]["head.norm.running_mean"], before)

    def test_teacher_wears_the_students_running_statistics(self) -> None:
        model = network()
        roles = roles_of(model, ["head"], teacher=True, norm_statistics="running")
        levels = roles.levels("student", roles.prefix(picture()))
        roles.move_teacher(0.0)
        before = roles.logits("teacher", levels)
        roles.logits("student", levels, training=True)
        assert not torch.equal(roles.logits("teacher", levels), before)

    def test_batch_uses_its_own_image_and_stores_nothing(self) -> None:
        model = network()
        roles = roles_of(model, ["head"], static="whole", norm_statistics="batch")
        before = {n: b.clone() for n, b in model.named_buffers()}
        levels = roles.levels("student", roles.prefix(picture()))
        with torch.no_grad():
            batch, stored = (roles.logits(role, levels) for role in ("student", "static"))
        assert not torch.allclose(batch, stored)
        mixed = model.head.mix(levels)
        norm = self.norm(model)
        expected = torch.nn.functional.batch_norm(
            mixed, None, None, norm.weight, norm.bias, True, 0.1, norm.eps
        )
        expected = model.head.classifier(expected.relu())
        assert torch.allclose(batch, expected, atol=1e-5)
        for name, buffer in model.named_buffers():
            assert torch.equal(buffer, before[name])

    def test_train_and_eval_change_nothing(self) -> None:
        model = network("efficientnet_lite0")
        before = {n: b.clone() for n, b in model.named_buffers()}
        model.train()
        model(picture())
        for name, buffer in model.named_buffers():
            assert torch.equal(buffer, before[name])


def test_only_the_student_trains() -> None:
    roles = roles_of(network(), ["head"], teacher=True)
    walk = roles.prefix(picture())
    with pytest.raises(
        ValueError, match="expected the student, the only role that trains, got the teacher"
    ):
        roles.levels("teacher", walk, training=True)


def test_teacher_and_static_give_no_gradients() -> None:
    roles = roles_of(network(), ["encoder", "head"], teacher=True, static="whole")
    walk = roles.prefix(picture())
    assert roles.logits("student", roles.levels("student", walk)).requires_grad
    for role in ("teacher", "static"):
        assert not roles.logits(role, roles.levels(role, walk)).requires_grad


def test_roles_cost_their_overlay_only() -> None:
    """A frozen encoder is held once: teacher and static cost the head."""
    model = network()
    roles = roles_of(model, ["head"], teacher=True, static="whole")
    head = sum(p.numel() * 4 for p in model.head.parameters())
    assert roles.overlay_bytes("teacher") == head
    assert roles.overlay_bytes("static") == head


def test_state_goes_on_in_another_process() -> None:
    def make() -> Roles:
        return roles_of(network(), ["encoder.stage4", "head"], teacher=True, static="whole",
                        norm_statistics="running")  # fmt: skip

    roles = make()
    shake(roles.network, list(roles.trainable), 1)
    roles.move_teacher(0.5)
    roles.logits("student", roles.levels("student", roles.prefix(picture())), training=True)
    other = make()
    other.load_state_dict(roles.state_dict())
    for name, tensor in roles.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name])
    for role, overlay in roles.overlays.items():
        for name, tensor in overlay.items():
            assert torch.equal(tensor, other.overlays[role][name])


def test_what_learns_goes_on_learning_after_an_older_state() -> None:
    """A method may go back to its start, when nothing had learnt and all stages were shared."""
    model = network()
    roles = roles_of(model, ["encoder.stage2", "head"], teacher=True, learning=())
    start = roles.state_dict()
    assert roles.shared_stages == 4
    roles.learn_only(roles.trainable)
    roles.load_state_dict(start)
    roles.learn_only(roles.trainable)
    assert roles.shared_stages == 1
    roles.logits("student", roles.levels("student", roles.prefix(picture()))).sum().backward()
    parameters = dict(model.named_parameters())
    assert all(parameters[name].grad is not None for name in roles.trainable)
