"""Modules that cannot be adapted, and settings that cannot be meant: one clear line each."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import driftseg
from driftseg import InputError
from driftseg.models.wrapped import wrap
from foreign_models import Plain


class Averaging(Plain):
    """Its buffer moves whenever it is called."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.zeros(()))

    def forward(self, images):
        self.average.mul_(0.9).add_(0.1 * images.mean())
        return super().forward(images)


class Casting(Plain):
    """Brings images to its own type."""

    def forward(self, images):
        return super().forward(images.to(self.first.weight.dtype))


class Infinite(Plain):
    """Answers what is no number."""

    def forward(self, images):
        return super().forward(images) * float("nan")


def refuse(module, message: str, **settings) -> None:
    with pytest.raises(InputError, match=message) as caught:
        driftseg.load_model(module, **settings)
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_learn() -> None:
    with torch.inference_mode():
        made = Plain()
    refuse(made, "Plain: expected weights that can learn, .* outside of it")
    counted = Plain()
    counted.steps = nn.Parameter(torch.zeros(1, dtype=torch.int64), requires_grad=False)
    refuse(counted, r"expected parameters of floating point, got torch\.int64, .* buffers")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision(kind) -> None:
    refuse(Plain().to(kind), f"expected weights of torch.float32, .*, got {kind}.*module.float")
    refuse(Casting().to(kind), f"expected weights of torch.float32, .*, got {kind}")
    assert wrap(Casting().to(kind).float()).classes == 5


@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_wrappers_that_roles_cannot_share() -> None:
    refuse(
        nn.DataParallel(Plain()),
        "DataParallel: expected a model on one device, got "
        r"DataParallel, which uses several.*give the model inside",
    )
    traced = torch.jit.trace(Plain().eval(), torch.rand(1, 3, 64, 96))
    refuse(
        traced,
        "TopLevelTracedModule: expected a Python module, got TorchScript, whose "
        r"weights cannot be replaced.*give",
    )


def test_what_moves_by_itself_or_is_no_number() -> None:
    refuse(
        Averaging(),
        "Averaging: expected buffers that stay the same in eval mode, got "
        "changes in average with every image",
    )
    refuse(Infinite(), ": expected finite outputs for an image of noise, got others")
    refuse(
        Plain(),
        ": expected finite outputs for an image of noise, got others",
        deviation=(0, 0, 0),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mean": (1, 2)}, r"mean: expected 3 numbers, got \(1, 2\)"),
        ({"size": 128}, "size: expected 2 numbers, got 128"),
        ({"parts": [3]}, "parts: expected modules of the model, got 3"),
        (
            {"parts": "fist"},
            r"parts: expected modules of the model, got 'fist'.*close to it: "
            r"\['first",
        ),
        (
            {"ignore_outputs": 3},
            "ignore_outputs: expected numbers, because outputs of a torch "
            r"module have no names, got something else.*list",
        ),
        (
            {"ignore_outputs": [True]},
            "ignore_outputs: expected numbers, because outputs of a "
            r"torch module have no names, got something else.*list",
        ),
        (
            {"ignore_outputs": range(5)},
            "ignored outputs: expected at least one output that "
            r"stays, got all.*are",
        ),
        ({"classes": "abcde"}, "classes: expected a list of names, got 'abcde'"),
        ({"classes": range(5)}, r"classes: expected a list of names, got range\(0, 5\)"),
        (
            {"classes": ["a", "b", "c", "d", "a"]},
            "classes: expected a different name for every output, got a twice",
        ),
    ],
)
def test_settings_that_cannot_be_meant(settings, message: str) -> None:
    refuse(Plain(), message, **settings)


def test_sources_that_are_no_model() -> None:
    refuse(3, "load_model: expected a file, a folder, a hub id or a torch module, got 3")
    refuse(
        Plain,
        "load_model: expected a file, a folder, a hub id or a torch module, got the "
        r"class Plain.*call it, which make",
    )


def test_one_part_may_be_named_without_a_list() -> None:
    assert wrap(Plain(), parts="first").order == ("first",)
