"""Translates a file's tensors to ours: finds the layout, renames, stacks, permutes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from driftseg.models.checkpoints.layout import Layout
from driftseg.models.checkpoints.names import LAYOUTS, OURS
from driftseg.models.encoders.efficientnet import LITE0_DEPTHS
from driftseg.models.encoders.mit import MIT_SIZES
from driftseg.models.encoders.swin import SWIN_SIZES

_TORCH_ATTENTION = "in_proj_"
"""Prefix of "weight" and "bias" of query, key and value as one tensor in torch's attention."""
_BLOCK = r"encoder\.stages\.\d\.blocks\.\d+\."
_LITE_BLOCK = r"encoder\.stages\.\d\.\d+\.depthwise\."
_LINEAR = ("feed_forward.expand.weight", "feed_forward.contract.weight")


@dataclass(frozen=True)
class Translation:
    """A file's tensors by our names."""

    tensors: dict[str, Tensor]
    origins: dict[str, tuple[str, ...]]
    """The file's names for each of ours."""
    ignored: dict[str, str]
    """The file's names without one of ours, with the reason."""
    unknown: tuple[str, ...] = ()
    """Those of them that are in no table of the layout."""


def recognise(names: Iterable[str]) -> Layout | None:
    """The layout whose mark is among the names and whose tables contain the encoder's names.

    A file with only a head has the layout whose tables contain all modules of the head.
    """
    names = list(names)
    for layout in LAYOUTS:
        if not any(re.fullmatch(layout.mark, name) for name in names):
            continue
        if layout.encoder is None or any(
            layout.encoder.ours(_module(name).removeprefix(layout.prefix)) for name in names
        ):
            return layout
    modules = {_module(name) for name in names}
    heads = [layout for layout in LAYOUTS if layout.encoder is not None and layout.modules]
    return next((layout for layout in heads if modules >= layout.modules.keys()), None)


def translate(layout: Layout, tensors: Mapping[str, Tensor]) -> Translation:
    """Renames every tensor of a file to our name; stacks and permutes where layouts differ."""
    named: dict[str, Tensor] = {}
    origins: dict[str, tuple[str, ...]] = {}
    ignored: dict[str, str] = {}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        module, _, leaf = name.rpartition(".")
        leaf = leaf.removeprefix(_TORCH_ATTENTION)
        reason = layout.why_ignored(name)
        ours = (module,) if layout.name == OURS else layout.ours(module)
        if not reason and not ours:
            unknown.append(name)
        if reason or not ours:
            ignored[name] = reason or f"not a name of the {layout.name} layout"
            continue
        for target in ours:
            named[f"{target}.{leaf}"] = tensor
            origins[f"{target}.{leaf}"] = (name,)
    fuse = named.get("head.fuse.weight")
    if layout.fuse_reversed and fuse is not None and fuse.ndim == 4:
        named["head.fuse.weight"] = torch.cat(fuse.chunk(4, dim=1)[::-1], dim=1)
    _cut_query(named, origins)
    _join_key_value(named, origins)
    if layout.linear_convolutions:
        for name in [n for n in named if n.endswith(_LINEAR) and named[n].ndim == 4]:
            named[name] = named[name].flatten(1)
    if layout.merging_unfolded:
        _reorder_merging(named)
    return Translation(named, origins, ignored, tuple(unknown))


def _join_key_value(named: dict[str, Tensor], origins: dict[str, tuple[str, ...]]) -> None:
    """Stacks key above value if a file has them separately."""
    for key in [name for name in named if ".attention.key." in name]:
        value = key.replace(".attention.key.", ".attention.value.")
        joined = key.replace(".attention.key.", ".attention.key_value.")
        if value in named and named[key].shape == named[value].shape:
            named[joined] = torch.cat([named.pop(key), named.pop(value)])
            origins[joined] = origins.pop(key) + origins.pop(value)


def _cut_query(named: dict[str, Tensor], origins: dict[str, tuple[str, ...]]) -> None:
    """Splits query from key and value if a file has all three as one."""
    for name in [name for name in named if ".attention.query_key_value." in name]:
        if named[name].ndim == 0:
            continue  # not a matrix: the load raises an error
        whole, origin = named.pop(name), origins.pop(name)
        rows = len(whole) // 3
        for part, tensor in (("query", whole[:rows]), ("key_value", whole[rows:])):
            ours = name.replace("query_key_value", part)
            named[ours], origins[ours] = tensor, origin


def _reorder_merging(named: dict[str, Tensor]) -> None:
    """Reorders [channel by channel, corners row by row] to [corner by corner, column by column]."""
    for name, tensor in named.items():
        if not re.fullmatch(r"encoder\.stages\.[1-3]\.embedding\.(norm|projection)\..+", name):
            continue
        if tensor.ndim and tensor.shape[-1] % 4 == 0:
            corners = tensor.reshape(*tensor.shape[:-1], -1, 4)[..., [0, 2, 1, 3]]
            named[name] = corners.transpose(-1, -2).flatten(-2)


def guess_encoder(tensors: Mapping[str, Tensor]) -> str | None:
    """The encoder of tensors by our names, from widths and depths."""
    if "encoder.stages.0.0.convolution.weight" in tensors:
        found = {match[0] for name in tensors if (match := re.match(_LITE_BLOCK, name))}
        whole = tuple(sum(f".stages.{i}." in block for block in found) for i in range(4))
        return "efficientnet_lite0" if whole == LITE0_DEPTHS else None
    projections = [f"encoder.stages.{i}.embedding.projection.weight" for i in range(4)]
    held = [tensors[name] for name in projections if name in tensors]
    channels = tuple(width for tensor in held for width in tensor.shape[:1])
    blocks = {match[0] for name in tensors if (match := re.match(_BLOCK, name))}
    depths = tuple(sum(f".stages.{i}." in block for block in blocks) for i in range(4))
    for name, size in (MIT_SIZES | SWIN_SIZES).items():
        if (size.channels, size.depths) == (channels, depths):
            return name
    return None


def part_of(name: str) -> str | None:
    """The part of a segmenter for one of our names, as in ``Segmenter.parts``."""
    if match := re.match(r"encoder\.stages\.(\d)\.", name):
        return f"encoder.stage{int(match[1]) + 1}"
    first = name.partition(".")[0]
    return first if first in ("head", "early_head") else None


def _module(name: str) -> str:
    return name.rpartition(".")[0]
