"""Loads weights of other projects, or our own, into an existing model.

A tensor is loaded or reported, never silently skipped: every part of the model (as in
``Segmenter.parts``) is either loaded completely or stays random completely. It stays random only if
the caller allows it.

Swin's output norms are the only exception: ImageNet files do not have them, because a classifier
has one norm at its end. They are part of their stage and load with it. If a file lacks any of them
and "output_norms" is named, all of them stay unchanged (in a new
network: weight 1, bias 0) and the rest of the stages loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from driftseg.errors import InputError, commas
from driftseg.models.checkpoints.checks import (
    as_float32,
    refuse_quantised,
    refuse_unknown,
    told_otherwise,
)
from driftseg.models.checkpoints.config_facts import check_config
from driftseg.models.checkpoints.files import read_source
from driftseg.models.checkpoints.layout import Layout
from driftseg.models.checkpoints.names import Role
from driftseg.models.checkpoints.sets import choose_role, choose_set, set_notes
from driftseg.models.checkpoints.translation import (
    Translation,
    guess_encoder,
    part_of,
    translate,
)
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.segmenter import Segmenter, build_segmenter

OUTPUT_NORMS = "output_norms"
PARTS = (
    "encoder", *(f"encoder.stage{i}" for i in range(1, 5)), "head", "early_head", OUTPUT_NORMS,
)  # fmt: skip
"""Valid names in ``may_stay_random``; "encoder" means its four stages together."""


@dataclass(frozen=True)
class LoadReport:
    """Report of `load_weights`."""

    path: str
    layout: str
    matched: list[str]
    """Names of the model's tensors that were loaded."""
    random: list[str]
    """Names of the model's wanted tensors that the file does not have."""
    ignored: list[str]
    """Tensors of the file that were left out: "name: reason"."""
    notes: tuple[str, ...] = ()
    """The set of weights taken from a file of several, and tensors outside all sets."""

    def lines(self) -> list[str]:
        """The report as text, one fact per line."""
        lines = [f"{self.path}: {self.layout}, {len(self.matched)} tensors loaded"]
        norms = [name for name in self.random if _is_output_norm(name)]
        random = [name for name in self.random if name not in norms]
        if random:
            lines.append(f"{len(random)} tensors stay random: {', '.join(_parts(random))}")
        if norms:
            lines.append(f"{len(norms)} tensors stay fresh (weight 1, bias 0): {OUTPUT_NORMS}")
        reasons: dict[str, list[str]] = {}
        for text in self.ignored:
            name, _, reason = text.partition(": ")
            reasons.setdefault(reason, []).append(name)
        for reason, left_out in reasons.items():
            more = f" and {len(left_out) - 2} more" if len(left_out) > 2 else ""
            lines.append(f"left out: {', '.join(left_out[:2])}{more} ({reason})")
        lines += self.notes
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())


def load_weights(
    model: Segmenter,
    source: str | Path,
    *,
    parts: Sequence[str] | None = None,
    may_stay_random: Sequence[str] = (),
    role: Role = "student",
    weights: str | None = None,
) -> LoadReport:
    """Loads weights of any known layout into a model; after an error the model is unchanged.

    Adapters do not change: no layout has them, they have their own files.

    Args:
        model: the network to fill, in place.
        source: a file, a Hugging Face folder or hub id, or "imagenet" (see
            `read_source`).
        parts: parts to take from the file, of ``PARTS`` without output norms, which come with their
            stage; all others stay unchanged. None takes everything. A head can thus come from
            another file than the encoder, also from a file with only a head.
        may_stay_random: parts of ``PARTS`` that the file may lack or that may not fit. A part stays
            random as a whole as soon as one of its tensors is absent or has another shape.
            "output_norms" lets an encoder load from a file without its output norms.
        role: network of a HAMLET or DAFormer training checkpoint; files with one network have no
            choice.
        weights: the same for sets of any name, as for `open_checkpoint`; it overrides ``role``.

    Raises:
        InputError: the source cannot be read, is of no known layout or of another architecture,
            or lacks tensors of a part that may not stay random.
    """
    _check_parts(may_stay_random, PARTS)
    _check_parts(parts or (), PARTS[:-1])
    encoder = guess_encoder(model.state_dict())
    contents = read_source(source, encoder=encoder)
    path = str(contents.path)
    if weights is None:
        chosen = choose_role(path, contents.tensors, role)
    else:
        chosen = choose_set(path, contents.tensors, weights)
    layout, found = chosen.layout, translate(chosen.layout, chosen.tensors)
    if any(name.startswith("encoder.") and _is_asked_for(name, parts) for name in found.tensors):
        refuse_quantised(path, chosen.tensors, ())
        refuse_unknown(path, layout, found, with_head=False)
        file_encoder = guess_encoder(found.tensors)
        if file_encoder is not None and file_encoder == encoder:
            check_config(path, contents.config, layout, encoder=encoder)
    report = fill(
        model,
        path,
        layout,
        found,
        chosen.tensors,
        parts=parts,
        may_stay_random=may_stay_random,
    )
    return replace(report, notes=tuple(set_notes(contents.tensors, chosen)))


def fill(
    model: Segmenter,
    path: str,
    layout: Layout,
    found: Translation,
    originals: Mapping[str, Tensor],
    *,
    parts: Sequence[str] | None = None,
    may_stay_random: Sequence[str] = (),
) -> LoadReport:
    """Loads tensors with our names into a model; after an error the model is unchanged.

    Args:
        model: the network to fill, in place.
        path: of the file, for errors and the report.
        layout: of the file's names.
        found: the file's tensors by our names.
        originals: the same by the file's names.
        parts: as for `load_weights`.
        may_stay_random: as for `load_weights`.

    Raises:
        InputError: a part that may not stay random cannot be loaded completely.
    """
    own = set(adapter_names(model))
    complete = {name: t for name, t in model.state_dict().items() if name not in own}
    encoder = guess_encoder(complete)
    wanted = {name: tensor for name, tensor in complete.items() if _is_asked_for(name, parts)}
    held = {name: tensor for name, tensor in found.tensors.items() if _is_asked_for(name, parts)}

    whole = "encoder" in may_stay_random
    aside = _lacking_output_norms(wanted, held)
    fillable, given = (
        {name: tensor for name, tensor in tensors.items() if name not in aside}
        for tensors in (wanted, held)
    )
    faults = _faults(fillable, given, whole_encoder=whole)
    fatal = {part: fault for part, fault in faults.items() if part not in may_stay_random}
    if fatal:
        told = told_otherwise(complete, found.tensors)
        raise InputError(_refusal(path, fatal, encoder, guess_encoder(found.tensors), told))
    if OUTPUT_NORMS not in may_stay_random and any(_part(n, whole) not in faults for n in aside):
        raise InputError(
            f"{path}: expected output norms of the encoder, got none, as in ImageNet files. To "
            "fix: let all of them start fresh "
            f"(may_stay_random={[*may_stay_random, OUTPUT_NORMS]}), or give a segmentation model's "
            "file"
        )
    ready = {
        name: tensor
        for name, tensor in given.items()
        if name in wanted and _part(name, whole) not in faults
    }
    if not ready:
        raise InputError(
            f"{path}: expected tensors of the model, got none that fit ({layout.name}). To fix: "
            "give another file"
        )
    refuse_quantised(path, originals, [origin for n in ready for origin in found.origins[n]])
    ready = as_float32(ready)
    for name, tensor in ready.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{path}: expected finite numbers, got NaN or infinite ones in "
                f"{found.origins[name][0]}. To fix: give another checkpoint"
            )

    with torch.no_grad():
        for name, tensor in ready.items():
            wanted[name].copy_(tensor)
    ignored = {f"{name}: {reason}" for name, reason in found.ignored.items()}
    for name in found.tensors.keys() - ready.keys():
        part = _part(name, whole)
        reason = faults[part].text if part in faults else "the model has no such part"
        if name in aside:
            reason = "the file lacks other output norms"
        if name not in held:
            reason = "not asked for"
        ignored |= {f"{origin}: {reason}" for origin in found.origins[name]}
    return LoadReport(
        path=path,
        layout=layout.name,
        matched=sorted(ready),
        random=[name for name in wanted if name not in ready and not _is_counter(name)],
        ignored=sorted(ignored),
    )


def _check_parts(given: Iterable[str], known: Sequence[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(
            f"expected parts of a network, got {commas(unknown)}. To fix: take some of "
            f"{commas(known)}"
        )


def _is_asked_for(name: str, parts: Sequence[str] | None) -> bool:
    return parts is None or _part(name, False) in parts or _part(name, True) in parts


@dataclass(frozen=True)
class _Fault:
    """Why a part cannot be loaded completely."""

    text: str
    absent: bool
    """Whether the file has no tensor of the part."""


def _faults(
    wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], *, whole_encoder: bool
) -> dict[str, _Fault]:
    """The parts of the model that cannot be loaded, with the first reason for each."""
    wanted = {name: tensor for name, tensor in wanted.items() if not _is_counter(name)}
    parts: dict[str, list[str]] = {}
    for name in wanted:
        parts.setdefault(_part(name, whole_encoder), []).append(name)
    faults = {}
    for part, members in parts.items():
        mine = [name for name in found if _part(name, whole_encoder) == part]
        absent = [name for name in members if name not in found]
        surplus = [name for name in mine if name not in wanted and not _is_counter(name)]
        misfits = [n for n in members if n in found and found[n].shape != wanted[n].shape]
        if misfits:
            name = misfits[0]
            sizes = f"{tuple(wanted[name].shape)}, the file holds {tuple(found[name].shape)}"
            faults[part] = _Fault(f"{name} has the shape {sizes}", absent=False)
        elif absent:
            listed = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
            text = f"the file lacks {len(absent)} of {len(members)} tensors of {part}: {listed}"
            faults[part] = _Fault(text, absent=not mine)
        elif surplus:
            text = f"the file holds {surplus[0]}, which the model has not"
            faults[part] = _Fault(text, absent=False)
    return faults


def _lacking_output_norms(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> set[str]:
    """All output norms of the model if the file lacks any; otherwise none."""
    norms = {name for name in wanted if _is_output_norm(name)}
    return norms if norms.difference(found) else set()


def _refusal(
    path: str,
    fatal: Mapping[str, _Fault],
    encoder: str | None,
    file_encoder: str | None,
    told: str = "",
) -> str:
    """One line on why a file is refused and what to do; ``told`` is how its encoder differs."""
    parts = tuple(fatal)
    misfit = next((part for part, fault in fatal.items() if not fault.absent), None)
    random = f"let {', '.join(parts)} start from random weights (may_stay_random={parts!r})"
    if misfit is None:
        lacking = "; ".join(fault.text for fault in fatal.values())
        text = f"{path}: expected all parts of the model, got a file with faults: {lacking}"
        return f"{text}. To fix: {random}, or give a file that holds them"
    text = f"{path}: expected the model's architecture, got another: {fatal[misfit].text}"
    if misfit.startswith("encoder"):
        if file_encoder == encoder:
            text += f", with the widths and depths of {encoder} and another structure{told}"
            return f"{text}. To fix: give a file of the published {encoder}"
        guess = f"the file looks like {file_encoder or 'an encoder unknown to driftseg'}"
        return f"{text}; {guess}, the model is {encoder}. To fix: build the model of the file"
    return f"{text}. To fix: build the model with the file's classes and head width, or {random}"


def check_encoder(path: str, encoder: str, found: Mapping[str, Tensor]) -> None:
    """Raises InputError if tensors of an encoder do not have the shapes of driftseg's.

    Args:
        path: of the file, for the error.
        encoder: according to the tensors' widths and depths.
        found: tensors by our names; output norms may be absent.
    """
    with torch.device("meta"):
        model = build_segmenter(encoder, classes=1, head_width=8, early_head=False)
    wanted = {n: t for n, t in model.state_dict().items() if n.startswith("encoder.")}
    aside = _lacking_output_norms(wanted, found)
    left, held = ({n: t for n, t in each.items() if n not in aside} for each in (wanted, found))
    held = {n: t for n, t in held.items() if n.startswith("encoder.")}
    if faults := _faults(left, held, whole_encoder=False):
        raise InputError(_refusal(path, faults, encoder, encoder, told_otherwise(wanted, found)))


def _part(name: str, whole_encoder: bool) -> str:
    part = part_of(name) or name
    return "encoder" if whole_encoder and part.startswith("encoder") else part


def _parts(tensor_names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(_part(name, False) for name in tensor_names))


def _is_counter(name: str) -> bool:
    """Whether it is BatchNorm's count of batches, which many files lack and nothing uses."""
    return name.endswith("num_batches_tracked")


def _is_output_norm(name: str) -> bool:
    return ".output_norm." in name
