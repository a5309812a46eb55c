"""What has to hold for every encoder that a user can name, at its size, without its weights."""

from __future__ import annotations

import pytest
import torch
from networks import network, picture

from driftseg.models.adapters import adapter_spec, attach, fitting_kinds
from driftseg.models.encoders import ENCODERS
from driftseg.models.encoders.sites import Adapter, adapter_names, sites_of
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Segmenter, build_segmenter
from driftseg.models.trainable import choices, parameter_groups, trainable_names

LARGE = ("mit_b1", "mit_b2", "mit_b3", "mit_b4", "mit_b5", "swin_s", "swin_b")
"""They differ from the others of their family in numbers alone: of blocks, heads and channels."""
every_encoder = pytest.mark.parametrize("encoder", ENCODERS)
every_kind = pytest.mark.parametrize(
    "encoder",
    [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in ENCODERS],
)


def weightless(encoder: str) -> Segmenter:
    with torch.device("meta"):
        return build_segmenter(encoder, classes=3)


def adapted(encoder: str, fitting: str, **options: object) -> Segmenter:
    model = weightless(encoder)
    kind, where = fitting.split(" per ")
    attach(model, adapter_spec(kind, where=where, **options), torch.Generator())  # type: ignore
    return model


@every_kind
def test_adapters_are_all_that_is_added_to_the_stages_asked_for(encoder: str) -> None:
    base = {name for name, _ in weightless(encoder).named_parameters()}
    kinds = fitting_kinds(weightless(encoder).encoder)
    assert len(kinds) >= 3
    for fitting in kinds:
        model = adapted(encoder, fitting, stages=[1, 3])
        added = {name for name, _ in model.named_parameters()} - base
        assert base <= {name for name, _ in model.named_parameters()}
        by_type = {
            f"{owner}.{name}"
            for owner, module in model.named_modules()
            if isinstance(module, Adapter)
            for name, _ in module.named_parameters()
        }
        assert set(trainable_names(model, ["adapters"])) == added == by_type
        groups = model.parts
        for stage in (1, 2, 3, 4):
            held = added.intersection(groups[f"encoder.stage{stage}"])
            assert bool(held) == (stage in (1, 3)), (fitting, stage)


@every_kind
def test_the_optimiser_holds_adapters_and_head_once(encoder: str) -> None:
    for fitting in fitting_kinds(weightless(encoder).encoder):
        model = adapted(encoder, fitting)
        names = trainable_names(model, ["adapters", "head", "norms", "encoder.stage4"])
        groups = parameter_groups(
            model, names, learning_rate=1.0, head_factor=10.0, weight_decay=0.1, adapter_factor=3.0
        )
        held = [id(parameter) for group in groups for parameter in group["params"]]
        assert len(held) == len(set(held))
        assert set(held) == {id(model.get_parameter(name)) for name in names}


@every_kind
def test_modules_to_choose_from_are_the_stages_that_hold_adapters(encoder: str) -> None:
    for fitting in fitting_kinds(weightless(encoder).encoder):
        model = adapted(encoder, fitting, stages=[2, 4])
        names = trainable_names(model, ["adapters", "head"])
        modules = choices(model, names, fusion=True)
        head = {n for n in names if n.startswith("head.")}
        assert list(modules) == [2, 4]
        assert set(modules[2]) == set(names)
        assert set(modules[4]) == head | {n for n in names if n.startswith("encoder.stages.3.")}


@every_kind
def test_what_lies_before_the_first_adapter_is_shared(encoder: str) -> None:
    for fitting in fitting_kinds(weightless(encoder).encoder):
        for first in (1, 2, 4):
            model = adapted(encoder, fitting, stages=[first, 4])
            names = trainable_names(model, ["adapters", "head"])
            roles = Roles(model, names, teacher=True, learning=())
            assert roles.shared_stages == 4
            roles.learn_only(names)
            assert roles.shared_stages == first - 1
            assert set(roles.overlays["teacher"]) == set(names)
            frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
            assert {*frozen, *names} == {n for n, _ in model.named_parameters()}
            assert not set(frozen).intersection(names)


@every_encoder
def test_every_stage_names_its_sites_once(encoder: str) -> None:
    for stage in weightless(encoder).encoder.stages:
        places = [(id(site.owner), site.name) for site in sites_of(stage)]
        assert len(places) == len(set(places))


@pytest.mark.parametrize("family", ["mit_b0", "tiny_swin", "efficientnet_lite0"])
def test_an_adapter_speaks_in_its_own_stage_and_the_ones_behind(family: str) -> None:
    """The map that the next stage sees, not only what heads see of it."""
    images = picture()
    for fitting in fitting_kinds(network(family).encoder):
        kind, where = fitting.split(" per ")
        plain, model = network(family), network(family)
        spec = adapter_spec(kind, where=where, stages=[2])  # type: ignore[arg-type]
        attach(model, spec, torch.Generator().manual_seed(0))
        with torch.no_grad():
            for name in adapter_names(model):
                model.get_parameter(name).add_(0.3)
            x = y = model.start(images).x
            for index in range(4):
                x, y = plain.encoder.stage(index, x), model.encoder.stage(index, y)
                assert torch.equal(x, y) == (index == 0), (fitting, index)
