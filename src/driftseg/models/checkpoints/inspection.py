"""What is in a checkpoint of any known layout, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from driftseg.models.checkpoints.files import Contents, read_source
from driftseg.models.checkpoints.names import OURS, Role
from driftseg.models.checkpoints.own import ADAPTERS_KEY, METADATA_KEY, read_info
from driftseg.models.checkpoints.translation import guess_encoder, part_of, roles_of
from driftseg.models.checkpoints.weights import understand

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Inspection:
    """What a checkpoint holds."""

    path: str
    layout: str
    encoder: str | None
    """The encoder's name; None where its widths and depths are none that driftseg knows."""
    classes: int | None
    """Number of classes of the head, None without a head."""
    class_names: tuple[str, ...]
    """In id order, where the file says them."""
    parameters: Mapping[str, int]
    """Number of parameters of each part, as in ``Segmenter.parts``."""
    types: Mapping[str, int]
    """Number of tensors of each type."""
    size: int
    """Of the file, in bytes."""
    roles: tuple[Role, ...]
    """The networks in a HAMLET or DAFormer training checkpoint; empty in other files."""
    ignored: Mapping[str, str]
    """Names that driftseg has no use for, and why."""
    metadata: Mapping[str, Any]
    """What the file, or the config.json beside it, says besides."""

    def lines(self) -> list[str]:
        """The inspection for a person, one fact a line."""
        total = sum(self.parameters.values())
        lines = [
            f"file         {self.path} ({self.size / 1e6:.1f} MB)",
            f"layout       {self.layout}",
            f"encoder      {self.encoder or 'unknown'}",
            f"classes      {'no head' if self.classes is None else self.classes}",
        ]
        if self.class_names:
            lines.append(f"names        {', '.join(self.class_names)}")
        lines.append(f"parameters   {total:,}")
        lines += [f"  {part:<18}{count:>12,}" for part, count in self.parameters.items()]
        lines.append(f"types        {', '.join(f'{n} x {t}' for t, n in self.types.items())}")
        if self.roles:
            lines.append(f"roles        {', '.join(self.roles)}")
        if self.ignored:
            lines.append(f"not used     {len(self.ignored)} tensors")
        lines += [f"{key:<12} {value}" for key, value in self.metadata.items()]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())


def inspect(source: str | Path, *, role: Role | None = None) -> Inspection:
    """Reads a checkpoint and says what it holds, without building a network.

    Args:
        source: as for `driftseg.models.checkpoints.load_weights`.
        role: which network of a training checkpoint to look at; None takes the first.

    Raises:
        InputError: the source cannot be read or is of no known layout.
    """
    contents = read_source(source, encoder="efficientnet_lite0")
    if ADAPTERS_KEY in contents.facts:
        return _inspect_adapters(contents)
    path = str(contents.path)
    roles = tuple(roles_of(contents.tensors))
    chosen: Role = role or (roles[0] if roles else "student")
    layout, found = understand(path, contents.tensors, chosen)

    metadata = {name: value for name, value in contents.facts.items() if name != METADATA_KEY}
    class_names = tuple(metadata.pop("classes", ()))
    if layout.name == OURS and METADATA_KEY in contents.facts:
        info = read_info(path)
        class_names = info.classes
        metadata |= {"label_space": info.label_space, "digest": info.digest, **info.extra}
    classifier = found.tensors.get("head.classifier.bias")
    return Inspection(
        path=path,
        layout=layout.name,
        encoder=guess_encoder(found.tensors),
        classes=None if classifier is None else classifier.numel(),
        class_names=class_names if classifier is not None else (),
        parameters=_count(found.tensors),
        types=_types(found.tensors),
        size=contents.path.stat().st_size,
        roles=roles,
        ignored=found.ignored,
        metadata=metadata,
    )


def _inspect_adapters(contents: Contents) -> Inspection:
    from driftseg.models.adapters.files import read_adapter_info  # that module imports this room

    info = read_adapter_info(contents.path)
    facts = {name: value for name, value in info.adapters.items() if value is not None}
    return Inspection(
        path=info.path,
        layout="driftseg, adapters alone",
        encoder=info.encoder,
        classes=None,
        class_names=(),
        parameters=_count(contents.tensors),
        types=_types(contents.tensors),
        size=contents.path.stat().st_size,
        roles=(),
        ignored={},
        metadata={
            **facts,
            "belongs to": f"the {info.base} with the digest {info.base_digest}",
            "digest": info.digest,
            **info.extra,
        },
    )


def _count(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for name in sorted(tensors):
        if not name.endswith(_BUFFERS):
            counts[part_of(name) or "other"] += tensors[name].numel()
    return dict(sorted(counts.items(), key=lambda item: (item[0] == "early_head", item[0])))


def _types(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    kinds = (str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())
    return dict(Counter(kinds).most_common())
