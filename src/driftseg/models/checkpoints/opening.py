"""Opens a whole network from a user's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from driftseg.errors import InputError, commas
from driftseg.labels import Colour, LabelSpace, space_of
from driftseg.labels.spaces import OWN
from driftseg.models.checkpoints.checks import refuse_quantised, refuse_unknown
from driftseg.models.checkpoints.classes import (
    OWN_SPACE,
    UNKNOWN_SPACE,
    counted_names,
    drop_outputs,
    is_generic,
    order_head,
    preset_of,
    same_order,
    same_set,
    tell_difference,
    without_class,
)
from driftseg.models.checkpoints.config_facts import check_config, check_preprocessing
from driftseg.models.checkpoints.files import INDEX, WEIGHT_NAMES, Contents, read_source
from driftseg.models.checkpoints.loading import check_encoder, fill
from driftseg.models.checkpoints.own import (
    ADAPTERS_KEY,
    CAME,
    METADATA_KEY,
    CheckpointInfo,
    digest,
    load_checkpoint,
)
from driftseg.models.checkpoints.sets import WeightSet, choose_set, set_notes
from driftseg.models.checkpoints.translation import Translation, guess_encoder, translate
from driftseg.models.segmenter import Segmenter, build_segmenter


def open_checkpoint(
    source: str | Path,
    *,
    encoder: str | None = None,
    weights: str | None = None,
    classes: Sequence[str] | None = None,
    ignore_outputs: Sequence[str | int] = (),
) -> tuple[Segmenter, CheckpointInfo]:
    """Builds the network of a file and loads it completely.

    The encoder, the width of the head and the number of classes follow from the tensors. Of other
    projects, only HAMLET's files have an early head; otherwise the network's ``early_head`` is
    None. The network is in float32 and in ``eval()`` mode. Files are
    data: their code never runs. torch's random generator does not change.

    Args:
        source: a file of driftseg, NVlabs, HAMLET, DAFormer, mmsegmentation or Hugging Face; a
            Hugging Face folder; or a hub id "owner/name", looked up in the local cache first.
        encoder: a name of ``ENCODERS`` that the file must have; None accepts any.
        weights: set of a file with several: "student", "teacher", "static", or the prefix of its
            names; None takes the student, or else the first.
        classes: names in id order for a file without names: of all outputs, or without the ignored
            ones.
        ignore_outputs: names or numbers of outputs without a class (void, background): they are
            removed from the heads and never predicted.

    Returns:
        The network and its facts; ``info.notes`` has notes for readers of results.

    Raises:
        InputError: the source cannot be read, holds no whole network that driftseg has, or its
            tensors and its settings disagree.
    """
    contents = read_source(source)
    if METADATA_KEY in contents.facts or ADAPTERS_KEY in contents.facts:
        _refuse_choice(contents, weights)
        model, info = load_checkpoint(contents.path)
    else:
        model, info = _open_foreign(contents, weights)
    if encoder is not None and info.encoder != encoder:
        raise InputError(
            f"{info.path}: expected the encoder {encoder}, got {info.encoder}. To fix: set "
            f"model.encoder to {info.encoder}, or name another checkpoint"
        )
    every = classes is not None and len(classes) == len(info.classes)
    if classes is not None and every:
        info = _named(info, classes)
    if ignore_outputs:
        info = _without_outputs(model, info, ignore_outputs)
    if classes is not None and not every:
        info = _named(info, classes)
    return model, info


def order_classes(
    model: Segmenter, info: CheckpointInfo, wanted: LabelSpace | None
) -> CheckpointInfo:
    """Sorts a network's outputs in the order of a label space with the same classes.

    Names that differ only in case, spaces, underscores or hyphens are equal. A network with other
    or unnamed classes stays unchanged; `check_named` and `tell_classes` explain why it does not
    fit.

    Args:
        model: its classifiers are permuted in place.
        info: of the model.
        wanted: the label space; None takes the preset with the same classes, if there is one.
            Returns: The new facts, with a note if outputs were moved.
    """
    space = preset_of(info.classes, any_order=True) if wanted is None else wanted
    if space is None or not info.classes_known:
        return info
    if not same_set(info.classes, space.classes) and not same_order(info.classes, space.classes):
        return info
    note = order_head(model, info.classes, space.classes)
    info = replace(info, classes=space.classes, label_space=space.name)
    if note is None:
        return info
    colours = space.colours if info.colours else ()
    return replace(info, colours=colours, digest=digest(model), notes=(*info.notes, note))


def check_named(info: CheckpointInfo) -> None:
    """Raises InputError for a checkpoint without class names; the text says how to name them."""
    if not info.classes_known:
        in_folder = Path(info.path).name.removesuffix(INDEX) in WEIGHT_NAMES
        config = ", or write them into id2label of its config.json" if in_folder else ""
        raise InputError(
            f"checkpoint {info.path}: expected names of its {len(info.classes)} classes, got none "
            f"in the file. To fix: set classes to their names, in the order of the outputs{config}"
        )


def tell_classes(info: CheckpointInfo, wanted: LabelSpace) -> str:
    """Message: how a checkpoint's classes differ from a label space, and what to do.

    Args:
        info: of a checkpoint whose classes are named and differ from the label space's.
        wanted: the target's label space.
    """
    void = without_class(info.classes, wanted.classes)
    drop = f"; ignore_outputs=[{void[0]}] drops {void[0]!r}, which is no class" if void else ""
    named = info.label_space != OWN
    theirs = f"classes of {info.label_space}" if named else space_of(info.classes).phrase
    return (
        f"checkpoint {info.path}: expected the classes of the target, {len(wanted)} of "
        f"{wanted.title}, got {len(info.classes)} {theirs}; "
        f"{tell_difference(info.classes, wanted.classes)}. To fix: set target.label_space to "
        "read its labels in the model's, or score_in to score in the target's (with mapping, "
        f"where no mapping is known){drop}"
    )


def _refuse_choice(contents: Contents, weights: str | None) -> None:
    if weights not in (None, "student"):
        raise InputError(
            f"{contents.path}: expected no weights setting, because a checkpoint of driftseg has "
            "one set, got one. To fix: leave out weights"
        )


@dataclass(frozen=True)
class _Found:
    """A set of weights that has passed all checks except that of shapes."""

    chosen: WeightSet
    translation: Translation
    encoder: str
    head_width: int
    outputs: int


def _open_foreign(contents: Contents, weights: str | None) -> tuple[Segmenter, CheckpointInfo]:
    path = str(contents.path)
    found = _examine(contents, weights)
    tensors = found.translation.tensors
    early = any(name.startswith("early_head.") for name in tensors)
    names, known, notes = _class_names(contents, found.outputs)
    with torch.random.fork_rng(devices=[]):
        model = build_segmenter(
            found.encoder, classes=found.outputs, head_width=found.head_width, early_head=early
        )
    check_preprocessing(path, contents.preprocessing, model.encoder)
    report = fill(model, path, found.chosen.layout, found.translation, found.chosen.tensors)
    preset = preset_of(names) if known else None
    info = CheckpointInfo(
        path=path,
        encoder=found.encoder,
        head_width=found.head_width,
        early_head=early,
        label_space=preset.name if preset else OWN_SPACE if known else UNKNOWN_SPACE,
        classes=preset.classes if preset else names,
        half=False,
        digest=digest(model),
        colours=_colours(contents, found.outputs),
        classes_known=known,
        extra=_came(contents),
        layout=found.chosen.layout.name,
        notes=(*set_notes(contents.tensors, found.chosen), *notes, *report.lines()[1:]),
    )
    return model.eval(), info


def _examine(contents: Contents, weights: str | None) -> _Found:
    path = str(contents.path)
    chosen = choose_set(path, contents.tensors, weights)
    layout = chosen.layout
    found = translate(layout, chosen.tensors)
    used = [origin for names in found.origins.values() for origin in names]
    refuse_quantised(path, chosen.tensors, used)
    with_head = any(name.startswith("head.") for name in found.tensors)
    refuse_unknown(path, layout, found, with_head=with_head)
    encoder = guess_encoder(found.tensors)
    if encoder is None:
        raise InputError(_no_encoder(path, found.tensors))
    fuse, classifier = (found.tensors.get(f"head.{name}.weight") for name in ("fuse", "classifier"))
    whole = fuse is not None and fuse.ndim and classifier is not None and classifier.ndim
    head_width = fuse.shape[0] if whole and fuse is not None else None
    outputs = classifier.shape[0] if whole and classifier is not None else None
    check_config(
        path, contents.config, layout, encoder=encoder, head_width=head_width, outputs=outputs
    )
    if head_width is None or outputs is None:
        check_encoder(path, encoder, found.tensors)
        raise InputError(_no_head(path, encoder, chosen, layout.name))
    return _Found(chosen, found, encoder, head_width, outputs)


def _no_encoder(path: str, tensors: dict[str, Tensor]) -> str:
    held = [tensors.get(f"encoder.stages.{i}.embedding.projection.weight") for i in range(4)]
    if all(tensor is None for tensor in held):
        return (
            f"{path}: expected a whole network, got none of an encoder. To fix: give another file"
        )
    widths = [None if tensor is None else len(tensor) for tensor in held]
    depths = [
        len({n.split(".")[4] for n in tensors if n.startswith(f"encoder.stages.{i}.blocks.")})
        for i in range(4)
    ]
    return (
        f"{path}: expected an encoder of driftseg, got another (widths {commas(widths)}, depths "
        f"{commas(depths)}). To fix: give one of mit_b0 to mit_b5, swin_t, swin_s, swin_b or "
        "efficientnet_lite0"
    )


def _no_head(path: str, encoder: str, chosen: WeightSet, layout: str) -> str:
    other = next((n for n in chosen.tensors if n.startswith("decode_head.")), None)
    what = (
        f"a head that driftseg does not have ({other})"
        if other
        else "an encoder, but no head that driftseg knows"
    )
    return (
        f"{path} ({layout}): expected an encoder and a head of driftseg, got {what}. To fix: "
        f"train a head on this encoder: set model.encoder={encoder}, model.weights={path} and "
        "model.may_stay_random=[head, early_head] for driftseg train"
    )


def _class_names(contents: Contents, outputs: int) -> tuple[tuple[str, ...], bool, list[str]]:
    """Names in id order, whether they are real names, and a note if they are not."""
    names = tuple(contents.facts.get("classes", ()))
    if names and len(names) != outputs:
        raise InputError(
            f"{contents.path}: expected one class name for each of {outputs} outputs, got "
            f"{len(names)}. To fix: give a file with a name for each output"
        )
    if names and not is_generic(names):
        return names, True, []
    told = f"names such as {names[0]} say nothing" if names else "the file names none"
    note = f"the classes of the {outputs} outputs are not known ({told})"
    return counted_names(outputs), False, [note]


def _colours(contents: Contents, outputs: int) -> tuple[Colour, ...]:
    colours = tuple(contents.facts.get("colours", ()))
    return colours if len(colours) == outputs else ()


def _came(contents: Contents) -> dict[str, Any]:
    """``config`` (its names of classes) and ``preprocessing`` as in the folder."""
    names = contents.config.get("id2label")
    if not isinstance(names, Mapping):
        return {}
    return {CAME: {"config": {"id2label": names}, "preprocessing": contents.preprocessing}}


def _named(info: CheckpointInfo, classes: Sequence[str]) -> CheckpointInfo:
    if len(classes) != len(info.classes):
        raise InputError(
            f"classes: expected {len(info.classes)} names, one for each output of {info.path}, got "
            f"{len(classes)}. To fix: name each output"
        )
    if info.classes_known and not same_order(classes, info.classes):
        raise InputError(
            f"classes: expected no names, because {info.path} has its own, got others "
            f"({tell_difference(info.classes, classes)}). To fix: leave out classes"
        )
    preset = preset_of(classes)
    return replace(
        info,
        classes=preset.classes if preset else tuple(classes),
        label_space=preset.name if preset else OWN_SPACE,
        classes_known=True,
        notes=tuple(n for n in info.notes if "are not known" not in n),
    )


def _without_outputs(
    model: Segmenter, info: CheckpointInfo, ignored: Sequence[str | int]
) -> CheckpointInfo:
    left, note = drop_outputs(model, info.classes, ignored)
    names = tuple(info.classes[number] for number in left)
    preset = preset_of(names) if info.classes_known else None
    own = OWN_SPACE if info.classes_known else UNKNOWN_SPACE
    return replace(
        info,
        classes=preset.classes if preset else names,
        label_space=preset.name if preset else own,
        colours=tuple(info.colours[number] for number in left) if info.colours else (),
        digest=digest(model),
        notes=(*info.notes, note),
    )
