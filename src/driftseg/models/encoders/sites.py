"""Places of adapters in an encoder, and the base class of adapters.

A block lists its sites by a method ``sites`` (`Adaptable`), so sites are found by the type of a
module, never by its name. A site is a `Slot` (an attribute that is None or an adapter) or a
`LinearSite` (a linear layer for low-rank updates). Without adapters, an encoder has no extra state
and the same output.

Shapes: B batch, N tokens (h*w), C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Seat = Literal["attention", "feed_forward", "block", "stage", "expand", "project"]
"""Kind of place: a residual branch of a transformer block, the output of a convolutional block, the
output of a stage, or beside the 1x1 convolution of that name in a convolutional block."""
Target = Literal["query", "key", "value", "projection", "expand", "contract"]
"""Linear maps of a transformer block: four of attention, two of the feed-forward part."""


class Adapter(nn.Module):
    """Base class of all adapters; adapters are found by it.

    Its parameters are ordinary parameters of its stage.
    """

    silent: ClassVar[tuple[str, ...]]
    """Names of parameters; if all of them are 0, the adapter adds exactly 0. This is its initial
    state."""

    def reset(self, generator: torch.Generator) -> None:
        """Draws the initial values."""
        raise NotImplementedError


@dataclass(frozen=True)
class Slot:
    """An attribute of a block: None or an adapter."""

    seat: Seat
    owner: nn.Module
    name: str
    channels: int


@dataclass(frozen=True)
class LinearSite:
    """A linear layer; the maps stacked in its rows have the same number of rows."""

    owner: nn.Module
    name: str
    targets: tuple[Target, ...]


@runtime_checkable
class Adaptable(Protocol):
    """A block or a stage with places for adapters."""

    def sites(self) -> Sequence[Slot | LinearSite]:
        """Its own sites, without those of its submodules."""
        ...


class Branch(NamedTuple):
    """A residual branch before the addition: the input of an adapter in its slot."""

    x: Tensor
    """(B, N, C), the tokens to which the branch is added, before its norm."""
    normed: Tensor
    """(B, N, C) after the norm."""
    output: Tensor
    """(B, N, C), the output of the branch."""
    drop_path: nn.Module
    height: int
    width: int


def join(branch: Branch, adapter: nn.Module | None) -> Tensor:
    """Adds a branch; an adapter, if there is one, does the addition."""
    if adapter is None:
        result: Tensor = branch.x + branch.drop_path(branch.output)
    else:
        result = adapter(branch)
    return result


def transformer_sites(
    block: nn.Module, attention: nn.Module, feed_forward: nn.Module, channels: int
) -> tuple[Slot | LinearSite, ...]:
    """Sites of a block with ``attention_adapter`` and ``feed_forward_adapter``.

    Args:
        block: has the two attributes.
        attention: has ``query``, ``key_value`` (keys above values) and ``projection``.
        feed_forward: has ``expand`` and ``contract``.
        channels: of the block's tokens.
    """
    return (
        Slot("attention", block, "attention_adapter", channels),
        Slot("feed_forward", block, "feed_forward_adapter", channels),
        LinearSite(attention, "query", ("query",)),
        LinearSite(attention, "key_value", ("key", "value")),
        LinearSite(attention, "projection", ("projection",)),
        LinearSite(feed_forward, "expand", ("expand",)),
        LinearSite(feed_forward, "contract", ("contract",)),
    )


def sites_of(stage: nn.Module) -> list[Slot | LinearSite]:
    """All sites of a stage, in the order of its modules."""
    blocks = [module for module in stage.modules() if isinstance(module, Adaptable)]
    return [site for block in blocks for site in block.sites()]


def adapters_of(model: nn.Module) -> Iterator[tuple[str, Adapter]]:
    """Every adapter and its module name, found by type."""
    for name, module in model.named_modules():
        if isinstance(module, Adapter):
            yield name, module


def adapter_names(model: nn.Module) -> list[str]:
    """Names of all parameters of adapters."""
    return [
        f"{name}.{parameter}"
        for name, adapter in adapters_of(model)
        for parameter, _ in adapter.named_parameters()
    ]


def silent_values(model: nn.Module) -> dict[str, Tensor]:
    """The tensors with which every adapter adds exactly 0, by parameter name."""
    return {
        f"{name}.{parameter}": torch.zeros_like(adapter.get_parameter(parameter))
        for name, adapter in adapters_of(model)
        for parameter in adapter.silent
    }
