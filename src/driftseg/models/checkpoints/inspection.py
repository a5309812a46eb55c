"""Describes a checkpoint of any known layout for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from driftseg.errors import InputError
from driftseg.models.checkpoints.classes import is_generic
from driftseg.models.checkpoints.files import Contents, read_source
from driftseg.models.checkpoints.names import OURS, Role
from driftseg.models.checkpoints.opening import check_named, open_checkpoint
from driftseg.models.checkpoints.own import ADAPTERS_KEY, CAME, METADATA_KEY, read_info
from driftseg.models.checkpoints.sets import WeightSet, choose_role, choose_set, find_sets
from driftseg.models.checkpoints.translation import guess_encoder, part_of, translate

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Inspection:
    """The contents of a checkpoint."""

    path: str
    layout: str
    encoder: str | None
    """The encoder's name; None if driftseg does not know its widths and depths."""
    classes: int | None
    """Number of classes of the head, None without a head."""
    class_names: tuple[str, ...]
    """Class names in id order, if the file has them."""
    parameters: Mapping[str, int]
    """Number of parameters of each part, as in ``Segmenter.parts``."""
    types: Mapping[str, int]
    """Number of tensors of each type."""
    size: int
    """Size of the file in bytes."""
    roles: tuple[str, ...]
    """Names of the sets of weights in the file; empty if it holds one student."""
    ignored: Mapping[str, str]
    """Names that driftseg does not use, with the reason."""
    metadata: Mapping[str, Any]
    """Other facts from the file or the config.json beside it."""
    weights: str = ""
    """The described set of weights, and the prefix of its names."""
    classes_known: bool = True
    """Whether the file has real names of classes."""
    refusal: str | None = None
    """Why a run cannot use the file as its ``checkpoint``; None if it can."""
    notes: tuple[str, ...] = ()
    """Notes that a run would print on the file."""

    def lines(self) -> list[str]:
        """The inspection as text, one fact per line."""
        total = sum(self.parameters.values())
        lines = [
            f"file         {self.path} ({self.size / 1e6:.1f} MB)",
            f"format       {self.layout}",
            f"encoder      {self.encoder or 'unknown'}",
            f"classes      {self._classes()}",
        ]
        if self.roles:
            lines.append(f"weights      {self.weights}; the file holds {', '.join(self.roles)}")
        elif self.weights:
            lines.append(f"weights      {self.weights}")
        lines.append(f"parameters   {total:,}")
        lines += [f"  {part:<18}{count:>12,}" for part, count in self.parameters.items()]
        lines.append(f"types        {', '.join(f'{n} x {t}' for t, n in self.types.items())}")
        if self.ignored:
            lines.append(f"not used     {len(self.ignored)} tensors")
        lines += [f"{key:<12} {value}" for key, value in self.metadata.items()]
        can = "yes" if self.refusal is None else f"no: {self.refusal}"
        lines.append(f"checkpoint:  {can}")
        lines += [f"note         {note}" for note in self.notes]
        return lines

    def _classes(self) -> str:
        if self.classes is None:
            return "no head"
        if self.class_names and self.classes_known:
            return f"{self.classes}: {', '.join(self.class_names)}"
        return f"{self.classes}, but the file does not name them"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def inspect(
    source: str | Path, *, role: Role | None = None, weights: str | None = None
) -> Inspection:
    """Reads a checkpoint and describes its contents and whether a run can use it.

    Args:
        source: as for `driftseg.models.checkpoints.open_checkpoint`.
        role: network of a training checkpoint; None takes the first.
        weights: the same for sets of any name, as for `open_checkpoint`.

    Raises:
        InputError: the source cannot be read, is of no known layout, or has no such set.
    """
    contents = read_source(source, encoder="efficientnet_lite0")
    if ADAPTERS_KEY in contents.facts:
        return _inspect_adapters(contents)
    path = str(contents.path)
    sets = find_sets(contents.tensors).found
    if role is not None:
        chosen = choose_role(path, contents.tensors, role)
    else:
        chosen = choose_set(path, contents.tensors, weights)
    layout, found = chosen.layout, translate(chosen.layout, chosen.tensors)

    metadata = {name: value for name, value in contents.facts.items() if name != METADATA_KEY}
    metadata.pop("colours", None)
    class_names, known = tuple(metadata.pop("classes", ())), True
    encoder = guess_encoder(found.tensors)
    if layout.name == OURS and METADATA_KEY in contents.facts:
        info = read_info(path)
        encoder = info.encoder  # it may be one of the user's, which no tensor tells
        class_names, known = info.classes, info.classes_known
        metadata |= {"label_space": info.label_space, "digest": info.digest, **info.extra}
        metadata.pop(CAME, None)
    classifier = found.tensors.get("head.classifier.bias")
    refusal, notes = _would_open(source, chosen.wrappers if len(sets) > 1 else None)
    return Inspection(
        path=path,
        layout=layout.name,
        encoder=encoder,
        classes=None if classifier is None else classifier.numel(),
        class_names=class_names if classifier is not None else (),
        parameters=_count(found.tensors),
        types=_types(found.tensors),
        size=contents.size,
        roles=tuple(each.name for each in sets) if _are_roles(sets) else (),
        ignored=found.ignored,
        metadata=metadata,
        weights=str(chosen) if chosen.wrappers or len(sets) > 1 else "",
        classes_known=known and bool(class_names) and not is_generic(class_names),
        refusal=refusal,
        notes=notes,
    )


def _are_roles(sets: Sequence[WeightSet]) -> bool:
    return len(sets) > 1 or any(each.name != "student" for each in sets)


def _would_open(source: str | Path, weights: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Why a run cannot use the file, or None; and the notes of opening it."""
    try:
        _, info = open_checkpoint(source, weights=weights)
    except InputError as error:
        return str(error), ()
    try:
        check_named(info)
    except InputError as error:
        return str(error), info.notes
    return None, info.notes


def _inspect_adapters(contents: Contents) -> Inspection:
    from driftseg.models.adapters.files import read_adapter_info  # avoids a circular import

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
        refusal="the file holds adapters alone: name it as adapters.file, and the network that "
        "they belong to as the checkpoint",
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
