"""Adds adapters to a network and removes them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from driftseg.errors import InputError, commas
from driftseg.models.adapters.dual_rank import DualRank, DualRankLinear, beside_convolution
from driftseg.models.adapters.forms import AdaptFormer, Bottleneck, Convolution, Convpass
from driftseg.models.adapters.lora import LoraLinear, UpdatedLinear
from driftseg.models.adapters.spec import KINDS, LINEAR, PLACES, AdapterSpec, Kind, Where
from driftseg.models.encoders import Encoder
from driftseg.models.encoders.sites import (
    Adapter,
    LinearSite,
    Seat,
    Slot,
    Target,
    adapters_of,
    sites_of,
)
from driftseg.models.segmenter import Segmenter

SEATS: dict[tuple[Kind, Where], tuple[Seat, ...]] = {
    ("adaptformer", "block"): ("feed_forward",),
    ("bottleneck", "block"): ("feed_forward",),
    ("bottleneck", "stage"): ("stage",),
    ("convpass", "block"): ("attention", "feed_forward"),
    ("convolution", "block"): ("block",),
    ("convolution", "stage"): ("stage",),
    ("vida", "block"): ("expand", "project"),
}
"""Places of each kind; lora and vida are on linear layers."""
SEAT_TARGETS: dict[Seat, Target] = {"expand": "expand", "project": "contract"}
"""What ``targets`` calls a 1x1 convolution of a convolutional block."""

Site = Slot | LinearSite


def attach(model: Segmenter, spec: AdapterSpec, generator: torch.Generator) -> None:
    """Adds adapters to a network without any; its output stays bit-identical.

    The base's parameters keep their names; parameters of adapters belong to their stage.

    Args:
        model: the network, changed in place.
        spec: which adapters and where.
        generator: draws their initial values, on the CPU.

    Raises:
        InputError: the encoder has no place for them, or the network already has adapters.
    """
    if model.adapters is not None:
        raise InputError(
            f"adapters: expected a model without adapters, got one with {model.adapters.kind}. To "
            "fix: load the model again"
        )
    for site in _wanted_sites(model.encoder, spec):
        part = getattr(site.owner, site.name)
        with torch.random.fork_rng(devices=[]):  # torch draws random numbers for every new layer
            new = _at_slot(site, spec) if isinstance(site, Slot) else _at_linear(site, part, spec)
        like = next(site.owner.parameters())
        for _, adapter in adapters_of(new):
            adapter.reset(generator)
            adapter.to(like.device, like.dtype)
        setattr(site.owner, site.name, new.train(site.owner.training))
    model.adapters = spec


def detach_adapters(model: Segmenter) -> Segmenter:
    """A copy of the network without its adapters."""
    return remove(copy.deepcopy(model))


def remove(model: Segmenter, *, merged: bool = False) -> Segmenter:
    """The same network after its adapters are removed, or merged into its matrices."""
    for stage in model.encoder.stages:
        for site in sites_of(stage):
            part = getattr(site.owner, site.name)
            if isinstance(part, UpdatedLinear):
                setattr(site.owner, site.name, part.plain(merged=merged))
            elif isinstance(site, Slot) and part is not None:
                if merged:
                    _merge(site, part)
                delattr(site.owner, site.name)  # also removes it from the owner's modules
                setattr(site.owner, site.name, None)
    model.adapters = None
    return model


def merge_adapters(model: Segmenter) -> Segmenter:
    """A plain network with the same output, up to rounding.

    Raises:
        InputError: its adapters are not linear.
    """
    if model.adapters is not None and model.adapters.kind not in LINEAR:
        raise InputError(
            f"adapters: expected linear adapters ({' or '.join(LINEAR)}) to merge into the "
            f"network, got {model.adapters.kind}. To fix: keep them in the graph, or train lora"
        )
    return remove(copy.deepcopy(model), merged=True)


def fitting_kinds(encoder: Encoder) -> list[str]:
    """The kinds of adapters that have a place in every stage, such as "convpass per block"."""
    stages = [sites_of(stage) for stage in encoder.stages]
    return [
        f"{kind} per {where}"
        for kind in KINDS
        for where in PLACES
        if all(any(_fits(site, kind, where) for site in sites) for sites in stages)
    ]


def _wanted_sites(encoder: Encoder, spec: AdapterSpec) -> list[Site]:
    wanted: list[Site] = []
    for number in spec.stages:
        sites = sites_of(encoder.stages[number - 1])
        fitting = [site for site in sites if _fits(site, spec.kind, spec.where)]
        if not fitting:
            raise InputError(
                f"adapters: expected a kind that fits stage {number} of this encoder, got "
                f"{spec.kind} per {spec.where}. To fix: take one of "
                f"{commas(fitting_kinds(encoder))}"
            )
        if spec.kind == "lora":
            fitting = _with_targets(fitting, spec.targets)
            _check_rank(fitting, spec.rank)
        if spec.kind == "vida":
            fitting = _at_some_target(fitting, spec.targets)
        wanted += fitting
    return wanted


def _with_targets(sites: list[Site], targets: tuple[Target, ...]) -> list[Site]:
    found = {t for site in sites if isinstance(site, LinearSite) for t in site.targets}
    missing = [target for target in targets if target not in found]
    if missing:
        raise InputError(
            f"adapters: expected names of linear layers of this encoder, got {commas(missing)}. To "
            f"fix: set targets to some of {commas(sorted(found))}"
        )
    return [s for s in sites if isinstance(s, LinearSite) and set(s.targets).intersection(targets)]


def _at_some_target(sites: list[Site], targets: tuple[Target, ...]) -> list[Site]:
    """Sites of these targets; an encoder need not have them all, because the default names all."""
    named = {index: _targets_of(site) for index, site in enumerate(sites)}
    found = [sites[index] for index, names in named.items() if names & {*targets}]
    if not found:
        known = sorted({name for names in named.values() for name in names})
        raise InputError(
            f"adapters: expected names of layers of this encoder, got {commas(targets)}. To fix: "
            f"set targets to some of {commas(known)}"
        )
    return found


def _targets_of(site: Site) -> set[Target]:
    return {*site.targets} if isinstance(site, LinearSite) else {SEAT_TARGETS[site.seat]}


def _check_rank(sites: Sequence[Site], rank: int) -> None:
    for site in sites:
        base = getattr(site.owner, site.name)
        parts = len(site.targets) if isinstance(site, LinearSite) else 1
        most = min(base.in_features, base.out_features // parts)
        if rank > most:
            raise InputError(
                f"adapters: expected a rank of at most {most}, that of the smallest matrix to "
                f"change, got {rank}. To fix: set a smaller rank, or leave out the first stages"
            )


def _fits(site: Site, kind: Kind, where: Where) -> bool:
    if isinstance(site, LinearSite):
        return kind in LINEAR and where == "block"
    return site.seat in SEATS.get((kind, where), ())


def _at_slot(slot: Slot, spec: AdapterSpec) -> Adapter:
    if spec.kind == "vida":
        base = getattr(slot.owner, slot.seat)
        shape = {"in_channels": base.in_channels, "out_channels": base.out_channels}
        return beside_convolution({**shape, "kernel_size": 1}, (spec.rank, spec.high_rank))
    width = spec.width_at(slot.channels)
    if spec.kind == "adaptformer":
        return AdaptFormer(
            slot.channels, width, dropout=spec.dropout, scale=spec.scale,
            learnable_scale=spec.learnable_scale,
        )  # fmt: skip
    if spec.kind == "bottleneck":
        return Bottleneck(
            slot.channels, width, activation=spec.activation, dropout=spec.dropout,
            scale=spec.scale, learnable_scale=spec.learnable_scale,
        )  # fmt: skip
    if spec.kind == "convpass":
        return Convpass(slot.channels, width, dropout=spec.dropout, scale=spec.scale)
    return Convolution(
        slot.channels, width, depthwise=spec.depthwise, activation=spec.activation,
        dropout=spec.dropout, scale=spec.scale,
    )  # fmt: skip


def _merge(slot: Slot, adapter: nn.Module) -> None:
    """Adds an adapter's update to the convolution that it is beside."""
    assert isinstance(adapter, DualRank)
    base = getattr(slot.owner, slot.seat)
    weight = base.weight
    added = (weight + adapter.update()).detach()
    base.weight = nn.Parameter(added, requires_grad=weight.requires_grad)


def _at_linear(site: LinearSite, base: nn.Linear, spec: AdapterSpec) -> UpdatedLinear:
    if spec.kind == "vida":
        ranks = (spec.rank, spec.high_rank)
        return DualRankLinear(base, site.targets, spec.targets, ranks=ranks)
    return LoraLinear(
        base, site.targets, spec.targets, rank=spec.rank, alpha=spec.alpha, dropout=spec.dropout
    )
