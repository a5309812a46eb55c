"""The settings of adapters, and adding them to a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt

from driftseg.errors import InputError, commas
from driftseg.models.adapters.attach import attach
from driftseg.models.adapters.by_pattern import attach_by_pattern
from driftseg.models.adapters.files import load_adapters
from driftseg.models.adapters.spec import (
    WIDEST,
    Activation,
    AdapterSpec,
    Kind,
    Where,
    adapter_spec,
)
from driftseg.models.encoders.sites import Target, adapters_of
from driftseg.models.network import Network
from driftseg.models.segmenter import Segmenter
from driftseg.settings import Positive, Settings, is_none

Stage = Literal[1, 2, 3, 4]


class AdapterSettings(Settings):
    """Small trainable parts in the encoder (docs/adapters.md).

    null takes the kind's default. A setting that a kind does not have cannot be set.
    """

    kind: Kind
    where: Where = "block"
    """block: in every block of the stages. stage: on the output map of each stage."""
    stages: Annotated[list[Stage], Field(min_length=1)] = [1, 2, 3, 4]
    width: Annotated[int, Field(ge=1, le=WIDEST)] | None = None
    """Channels of the bottleneck; or set ``ratio``. AdaptFormer: 64. Convpass: 8."""
    ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    """Channels of the bottleneck relative to the width of the place, which differs between stages.
    Bottleneck: 1/16, Pfeiffer's. Convolution: 1/4."""
    rank: PositiveInt | None = None
    """Of lora: 8, as in peft. Of vida, for its low-rank branch: 1, as in the paper."""
    high_rank: PositiveInt | None = Field(default=None, exclude_if=is_none)
    """Of vida, for its high-rank branch: 128, as in the paper. A branch of vida has at most the
    rank that its layer allows, the smaller of its numbers of channels."""
    alpha: Positive | None = None
    """Of lora; the update is scaled by alpha / rank: 8, as in peft."""
    targets: list[Target] | None = None
    """Of lora: the linear maps; the paper uses query and value. Of vida: the linear maps, or
    ``expand`` and ``contract``, the 1x1 convolutions of a convolutional block; all of them."""
    activation: Activation | None = None
    """Of bottleneck and convolution: relu."""
    depthwise: bool | None = None
    """Of convolution: whether its 3x3 kernel is one per channel; true."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """AdaptFormer and Convpass: .1. Others: 0."""
    scale: Positive | None = None
    """Factor on the adapter's output. AdaptFormer: .1. Others: 1."""
    learnable_scale: bool | None = None
    """Of adaptformer and bottleneck: whether ``scale`` is learnt and this is its start; false."""
    at: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, exclude_if=is_none)
    """Of lora, vida and convolution, in a model that is not from driftseg: shell patterns of the
    names of its Linear and Conv2d layers (``encoder.layer4.*``). vida takes every layer by
    default."""
    factor: Positive = 10.0
    """Factor on the encoder's learning rate for adapters; the default is that of heads, because
    both start untrained. Published rates are 1e-3 to 1e-2."""
    file: Path | None = None
    """File of initial values, written by a run with ``keep_checkpoint``; null starts new
    adapters."""

    def spec(self, train: Sequence[str], *, method: str) -> AdapterSpec:
        """The adapters that these settings describe.

        Args:
            train: what the method trains.
            method: its name, for messages.

        Raises:
            InputError: the settings contradict themselves or ``train``.
        """
        spec = adapter_spec(**self.model_dump(exclude={"factor", "file", "at"}))
        deaf = (
            []
            if {"adapters", "encoder"} & {*train} or self.at is not None
            else [number for number in spec.stages if f"encoder.stage{number}" not in train]
        )
        if self.file is None and len(deaf) == len(spec.stages):
            raise InputError(
                "adapters: expected a method that trains them, because untrained ones do "
                f"nothing, got {method}. To fix: add adapters to method.train where the method "
                "has it, set adapters.file, or leave out the section"
            )
        if self.file is None and deaf:
            raise InputError(
                f"adapters: expected stages that method.train names, got stages {commas(deaf)}, "
                "which would not learn. To fix: add adapters to method.train, or name the same "
                "stages in adapters.stages"
            )
        return spec

    def put_into(self, model: Network, spec: AdapterSpec, generator: torch.Generator) -> str:
        """Adds adapters to the model, with a file's values if one is named; returns a note.

        Raises:
            InputError: the encoder has no place for them, or the file does not fit.
        """
        if not isinstance(model, Segmenter):
            return self._put_by_pattern(model, spec, generator)
        if self.at is not None:
            raise InputError(
                "adapters.at: expected a model of your own, got an encoder of driftseg, which has "
                "fixed places for adapters. To fix: set where, stages and targets"
            )
        attach(model, spec, generator)
        started = "doing nothing at first"
        if self.file is not None:
            info = load_adapters(self.file, model)
            started = f"from {self.file} (digest {info.digest})"
        adapters = [adapter for _, adapter in adapters_of(model)]
        numbers = sum(p.numel() for adapter in adapters for p in adapter.parameters())
        return (
            f"{len(adapters)} {spec.kind} adapters with {numbers} parameters in stages "
            f"{', '.join(map(str, spec.stages))}, {started}"
        )

    def _put_by_pattern(self, model: Network, spec: AdapterSpec, generator: torch.Generator) -> str:
        at = ["*"] if self.at is None and spec.kind == "vida" else self.at
        if at is None or self.file is not None:
            raise InputError(
                "adapters: expected patterns of layers for a model of your own, got none. To "
                "fix: set adapters.at, and no file"
            )
        number = attach_by_pattern(model.module, spec, at, generator)
        return f"{number} {spec.kind} adapters on layers {', '.join(at)}, doing nothing at first"


def with_own_kind(
    section: AdapterSettings | None, kind: Kind | None, *, method: str
) -> AdapterSettings | None:
    """The section of adapters of a config whose method may bring a kind of its own.

    Args:
        section: as it is given; None where there is none.
        kind: what the method needs; None takes the section as it is.
        method: its name, for messages.

    Raises:
        ValueError: the section has another kind.
    """
    if kind is None or (section is not None and section.kind == kind):
        return section
    if section is not None:
        raise ValueError(
            f"adapters.kind: expected {kind}, the adapters of the method {method}, got "
            f"{section.kind}. To fix: set adapters.kind to {kind}, or leave out adapters"
        )
    return AdapterSettings(kind=kind)


def check_adapters(
    section: AdapterSettings | None, train: Sequence[str], *, method: str
) -> AdapterSpec | None:
    """The adapters that a config asks for; None for none.

    Raises:
        InputError: the section contradicts itself or ``train``.
    """
    if section is not None:
        return section.spec(train, method=method)
    if "adapters" in train:
        raise InputError(
            "method.train: expected adapters in the model, got none. To fix: set adapters.kind, "
            "or leave adapters out of method.train"
        )
    return None
