"""Models of others as networks that roles share: the laws of roles, and what is refused."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn

from driftseg.errors import InputError
from driftseg.models.roles import Roles
from driftseg.models.trainable import choices, set_generator, trainable_names
from driftseg.models.wrapped import IMAGENET_DEVIATION, IMAGENET_MEAN, wrap
from foreign_models import MODELS, PARTS, Plain, foreign

SIZE = (64, 96)


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand((1, 3, *SIZE), generator=torch.Generator().manual_seed(seed))


def by_itself(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the model answers in torch's own eval mode."""
    shape = (1, 3, 1, 1)
    x = (images - torch.tensor(IMAGENET_MEAN).view(shape)) / torch.tensor(IMAGENET_DEVIATION).view(
        shape
    )
    found = model(x)
    if isinstance(found, torch.Tensor):
        return found
    return found["out"] if isinstance(found, dict) and "out" in found else found.logits


def shake(network, names) -> None:
    parameters = dict(network.module.named_parameters())
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name in names:
            noise = torch.randn(parameters[name].shape, generator=generator)
            parameters[name].add_(0.05 * noise)


def answers(roles: Roles, role: str, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return roles.logits(role, roles.levels(role, roles.prefix(images)))


@pytest.mark.parametrize("name", MODELS)
class TestLaws:
    def test_it_answers_as_before(self, name: str) -> None:
        model = foreign(name)
        before = copy.deepcopy(model)
        keys = list(model.state_dict())
        network = wrap(model, parts=PARTS[name], size=SIZE)
        with torch.no_grad():
            expected = by_itself(before, picture(5))
        got = answers(Roles(network, []), "student", picture(5))
        assert torch.allclose(got, expected, atol=1e-5 * float(expected.abs().max()))
        assert list(model.state_dict()) == keys
        assert network.classes == 5

    def test_parts_are_disjoint_and_complete(self, name: str) -> None:
        network = wrap(foreign(name), parts=PARTS[name], size=SIZE)
        listed = list(itertools.chain(*network.parts.values()))
        assert sorted(listed) == sorted(n for n, _ in network.module.named_parameters())
        assert len(listed) == len(set(listed))
        assert network.order == tuple(PARTS[name])

    @pytest.mark.parametrize("statistics", ["source", "running", "batch"])
    def test_roles_are_three_whole_models(self, name: str, statistics: str) -> None:
        """Static, teacher and student, each against a model of its own with the same weights."""
        network = wrap(foreign(name), parts=PARTS[name], size=SIZE)
        train = [*PARTS[name][1:]]
        roles = Roles(network, trainable_names(network, train), teacher=True, static="early",
                      norm_statistics=statistics)  # fmt: skip
        assert roles.static == "whole"  # there is no early head
        source = copy.deepcopy(network.module)
        shake(network, roles.trainable)
        roles.move_teacher(0.5)
        student = copy.deepcopy(network.module)
        teacher = copy.deepcopy(source)
        mixed = {
            n: (p + dict(student.named_parameters())[n]) / 2 for n, p in source.named_parameters()
        }
        teacher.load_state_dict({**teacher.state_dict(), **mixed})
        alone = {"student": student, "teacher": teacher, "static": source}
        assert 0 < roles.shared_stages <= 1 or statistics == "batch"
        for role, model in alone.items():
            other = Roles(wrap(model, size=SIZE), [])
            if statistics == "batch" and role != "static":
                names = trainable_names(other.network, ["norms"])
                kept = {n for n in roles.trainable if n in names}
                other = Roles(other.network, sorted(kept) or names[:0], norm_statistics="batch")
            expected = answers(other, "student", picture(7))
            got = answers(roles, role, picture(7))
            scale = float(expected.abs().max())
            assert torch.allclose(got, expected, atol=2e-5 * scale), (role, scale)

    def test_the_prefix_is_shared_to_the_last_bit(self, name: str) -> None:
        """A frozen part is computed once; the rest goes on from it as if nothing were kept."""
        network = wrap(foreign(name), parts=PARTS[name], size=SIZE)
        roles = Roles(network, trainable_names(network, PARTS[name][1:]), teacher=True)
        assert roles.shared_stages == 1
        calls = []
        first = network.module.get_submodule(PARTS[name][0])
        handle = first.register_forward_hook(lambda *given: calls.append(1))
        walk = roles.prefix(picture(2))
        for role in ("student", "teacher", "student"):
            kept = roles.logits(role, roles.levels(role, walk))
            whole = roles.logits(role, roles.levels(role, network.start(picture(2))))
            assert torch.equal(kept, whole)
        handle.remove()
        again = roles.levels("student", walk)[0]
        assert torch.equal(again, roles.levels("student", walk)[0])  # nothing is changed in place

    def test_gradients_are_those_of_the_whole(self, name: str) -> None:
        network = wrap(foreign(name), parts=PARTS[name], size=SIZE)
        names = trainable_names(network, PARTS[name][1:])
        roles = Roles(network, names)
        parameters = dict(network.module.named_parameters())

        def gradients(walk):
            loss = roles.logits("student", roles.levels("student", walk)).square().mean()
            found = torch.autograd.grad(loss, [parameters[n] for n in names], allow_unused=True)
            return dict(zip(names, found, strict=True))

        kept, whole = gradients(roles.prefix(picture())), gradients(network.start(picture()))
        for n in names:
            assert (kept[n] is None) == (whole[n] is None)
            if kept[n] is not None:
                assert torch.allclose(kept[n], whole[n], rtol=1e-4, atol=1e-6), n
        assert not any(p.requires_grad for n, p in parameters.items() if n not in set(names))

    def test_without_parts_it_is_one(self, name: str) -> None:
        network = wrap(foreign(name), size=SIZE)
        assert list(network.parts) == ["network"]
        assert network.order == ()
        names = trainable_names(network, ["encoder", "head"])
        assert names == [n for n, _ in network.module.named_parameters()]
        assert choices(network, names) == {1: names}
        roles = Roles(network, names, teacher=True)
        assert roles.shared_stages == 0

    def test_exact_state(self, name: str) -> None:
        def make():
            network = wrap(foreign(name), parts=PARTS[name], size=SIZE)
            return Roles(network, trainable_names(network, ["encoder"]), teacher=True,
                         static="whole", norm_statistics="running")  # fmt: skip

        one, other = make(), make()
        shake(one.network, one.trainable)
        one.move_teacher(0.3)
        one.levels("student", one.prefix(picture()), update=True)
        other.load_state_dict(one.state_dict())
        for role in ("student", "teacher", "static"):
            assert torch.equal(answers(one, role, picture(4)), answers(other, role, picture(4)))


def test_running_statistics_move_where_a_layer_learns() -> None:
    model = foreign("unet")
    network = wrap(model, parts=PARTS["unet"], size=SIZE)
    names = trainable_names(network, ["decoder"])
    roles = Roles(network, names, norm_statistics="running")
    before = {n: b.clone() for n, b in model.named_buffers()}
    roles.levels("student", roles.prefix(picture()), update=True)
    moved = {n for n, b in model.named_buffers() if not torch.equal(b, before[n])}
    assert moved
    assert all(n.startswith("decoder.") for n in moved)


def test_dropout_draws_from_the_generator_and_rests_elsewhere() -> None:
    network = wrap(foreign("plain"), parts=["first", "norm", "dropout", "second"][:2], size=SIZE)
    roles = Roles(network, trainable_names(network, ["rest"]))
    found = []
    for seed in (0, 0, 1):
        set_generator(network.module, torch.Generator().manual_seed(seed))
        found.append(roles.levels("student", roles.prefix(picture()), training=True)[0])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    plain = [roles.levels("student", roles.prefix(picture()))[0] for _ in range(2)]
    assert torch.equal(*plain)
    dropped = foreign("plain")
    assert type(dropped.dropout) is nn.Dropout2d


def test_outputs_that_stand_for_no_class_are_never_answered() -> None:
    model = foreign("plain", classes=6)
    with torch.no_grad():
        model.second.bias[5] = 100.0
    network = wrap(model, ignored=[5], size=SIZE)
    assert network.classes == 5
    assert answers(Roles(network, []), "student", picture()).shape[1] == 5


class Odd(nn.Module):
    """What a pass must not take for a part that can be kept."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.twice = nn.Conv2d(4, 4, 1)
        self.tied = nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        x = self.twice(self.twice(self.stem(x)))
        x = nn.functional.conv2d(x, self.tied.weight)  # its own forward is never called
        return self.last(x)


def test_parts_called_twice_or_never_are_not_walked() -> None:
    network = wrap(Odd(), parts=["stem", "twice", "tied", "last"], size=SIZE)
    assert network.order == ()  # for tied's weight is used nobody knows when
    roles = Roles(network, trainable_names(network, ["last"]), teacher=True)
    shake(network, roles.trainable)
    whole = copy.deepcopy(network.module)
    got = answers(roles, "student", picture())
    with torch.no_grad():
        assert torch.allclose(got, by_itself(whole, picture()), atol=1e-6)


class Upstream(nn.Module):
    """A stem outside all parts runs before the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.body = nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        return self.last(self.body(self.stem(x)))


def test_a_part_behind_something_that_learns_is_not_shared() -> None:
    network = wrap(Upstream(), parts=["body", "last"], size=SIZE)
    assert network.upstream("body") == {"rest", "body"}
    frozen = Roles(network, trainable_names(network, ["last"]), teacher=True)
    assert frozen.shared_stages == 1
    learning = Roles(network, trainable_names(network, ["rest", "last"]), teacher=True)
    assert learning.shared_stages == 0


class Returns(nn.Module):
    def __init__(self, what) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 5, 1)
        self.what = what

    def forward(self, x):
        return self.what(self.layer(x))


class TestRefused:
    @pytest.mark.parametrize(
        ("make", "settings", "message"),
        [
            (lambda: "model", {}, r"expected a torch\.nn\.Module, got str"),
            (
                lambda: nn.Identity(),
                {},
                "Identity: expected a module with weights, got one without",
            ),
            (
                lambda: Returns(lambda x: x.mean(dim=(2, 3))),
                {},
                "output: expected logits "
                r"\(images, classes, height, "
                r"width\) of floating point, "
                r"got \(1, 5\) of torch\.float32",
            ),
            (
                lambda: Returns(lambda x: x.argmax(1)),
                {},
                r"output: expected logits \(images, "
                r"classes, height, width\) of "
                r"floating point, got \(1, 64, 96\) "
                r"of torch\.int64",
            ),
            (lambda: Returns(lambda x: {"masks": x}), {}, r"a dict with \['masks'\].*by output="),
            (
                lambda: Returns(lambda x: (x, x)),
                {},
                "output: expected logits in what the model returns, got a tuple of 2",
            ),
            (
                lambda: Returns(lambda x: x + torch.rand(1)),
                {},
                "Returns: expected the same "
                "output for the same image in "
                "eval mode, got different ones",
            ),
            (
                lambda: nn.Conv2d(1, 5, 1),
                {},
                "expected a module that takes images of shape "
                r"\(1, 3, 64, 96\), got RuntimeError: Given "
                r"groups=1, weight of size.*RGB",
            ),
            (
                lambda: nn.Conv2d(3, 5, 200),
                {},
                "expected a module that takes images of shape "
                r"\(1, 3, 64, 96\), got RuntimeError: "
                r"Calculated padded input size.*give",
            ),
            (
                Plain,
                {"parts": ["frist"]},
                "parts: expected modules of the model, got "
                r"'frist'.*close to it: \['first",
            ),
            (Plain, {"parts": ["act"]}, "parts: expected modules with weights, got act"),
            (
                Plain,
                {"parts": ["first", "first"]},
                "parts: expected disjoint modules, got first and first, which overlap",
            ),
            (
                Plain,
                {"parts": ["first"], "head": "second"},
                "head: expected one of the parts first, got 'second'",
            ),
            (Plain, {"ignored": [9]}, "ignored outputs: expected numbers from 0 to 4, got 9"),
        ],
    )
    def test_one_clear_line(self, make, settings, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            wrap(make(), size=SIZE, **settings)
        assert "\n" not in str(caught.value)

    def test_parts_within_parts(self) -> None:
        with pytest.raises(
            InputError,
            match="parts: expected disjoint modules, got encoder "
            r"and encoder\.layer1, which overlap",
        ):
            wrap(foreign("unet"), parts=["encoder", "encoder.layer1"], size=SIZE)

    @pytest.mark.parametrize("output", [0, lambda found: found[0]])
    def test_output_says_where_logits_are(self, output) -> None:
        assert wrap(Returns(lambda x: (x, 3)), output=output, size=SIZE).classes == 5
        assert wrap(Returns(lambda x: {"masks": x}), output="masks", size=SIZE).classes == 5
