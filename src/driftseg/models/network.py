"""The network contract: all that roles, learners and signals need from a network.

`driftseg.models.segmenter.Segmenter` fulfils it with stages, `driftseg.models.wrapped` for any
`torch.nn.Module`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

Overlay = Mapping[str, Tensor]
"""Tensors of the network by name, in which a role differs from it."""
Head = Literal["main", "early"]
"""main: over all levels. early: over the first level only, if a network has it."""


@dataclass(frozen=True)
class Walk:
    """The state of an image's pass through a network."""

    x: Tensor
    """Output of the last computed part, or the normalised image."""
    levels: tuple[Tensor, ...] = ()
    """The levels so far."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Outputs of parts that are reused, by the part's name."""


class Network(Protocol):
    """A segmentation network that roles can share.

    All names are those of ``module``'s parameters and buffers.
    """

    @property
    def module(self) -> nn.Module:
        """The module with the weights."""
        ...

    @property
    def parts(self) -> Mapping[str, Sequence[str]]:
        """Every part with its parameter names; disjoint and complete."""
        ...

    @property
    def order(self) -> tuple[str, ...]:
        """The parts that can be computed one after another, first to last; may be empty."""
        ...

    @property
    def heads(self) -> Mapping[Head, str | None]:
        """The heads, and the part of each.

        These parts learn faster than others. None: the head is not a separate part.
        """
        ...

    @property
    def undecayed(self) -> frozenset[str]:
        """Parameters without weight decay, besides those of norms."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    def upstream(self, part: str) -> frozenset[str]:
        """The parts on which a part's output depends, itself included."""
        ...

    def start(self, images: Tensor) -> Walk:
        """Starts a pass before the first part, with images (B, 3, H, W), RGB in [0, 1]."""
        ...

    def prefix(self, walk: Walk, count: int) -> Walk:
        """Computes the first ``count`` parts of ``order`` with the network's own weights."""
        ...

    def levels(self, walk: Walk, overlay: Overlay, depth: int | None = None) -> tuple[Tensor, ...]:
        """The first ``depth`` levels (B, C, h, w), or all, continuing the walk."""
        ...

    def logits(self, levels: Sequence[Tensor], overlay: Overlay, head: Head = "main") -> Tensor:
        """Logits (B, C, h, w); the early head reads the first level only."""
        ...

    def training_modules(self, part: str) -> Sequence[nn.Module]:
        """The modules whose training mode enables dropout and drop path of a part."""
        ...

    def silent(self) -> dict[str, Tensor]:
        """Tensors with which every adapter adds exactly 0."""
        ...


def device_of(network: Network) -> torch.device:
    """The device of the network."""
    return next(network.module.parameters()).device


def owners(network: Network) -> dict[str, str]:
    """The part of every parameter."""
    return {name: part for part, names in network.parts.items() for name in names}


def head_parts(network: Network) -> tuple[str, ...]:
    """The parts that are heads."""
    return tuple(part for part in network.heads.values() if part is not None)
