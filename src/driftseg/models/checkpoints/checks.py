"""Checks before loading: whether a file's tensors belong to another function than ours."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from driftseg.errors import InputError
from driftseg.models.checkpoints.layout import Layout
from driftseg.models.checkpoints.names import OURS
from driftseg.models.checkpoints.translation import Translation

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_LEAVES = (
    "weight", "bias", "running_mean", "running_var", "num_batches_tracked",
    "relative_position_bias_table",
)  # fmt: skip
_QUANTISED = re.compile(
    r".*\.(qweight|qzeros|scales?|zero_points?|weight_scale(_inv)?|input_scale|absmax|quant_map|"
    r"quant_state.*|scb|g_idx|_packed_params.*)",
    re.IGNORECASE,
)
"""Names of tensors that quantisation adds to weights."""
_OWNERS = ("backbone.", "segformer.", "swin.")
_HEADS = ("decode_head.", "auxiliary_head.", "classifier.", "head.")
_TRAINING_ONLY = re.compile(
    r"auxiliary_head\.|aux_|loss|criterion|ema_|n_averaged|iteration|local_iter|queue|memory_bank|"
    r"prototype|discriminator|projector|projection_head|contrast|decode_head\.(loss|criterion)"
)
"""Prefixes of names of tensors that predictions do not use."""
_KNOWN = {
    r"\.(lora_|base_layer\.|modules_to_save\.)": (
        "save model.merge_and_unload(), which merges the adapters of PEFT into the weights"
    ),
    r"\.(logit_scale|cpb_mlp|continuous_position_bias_mlp)": (
        "give a Swin of the first version; this is a Swin V2, which driftseg does not have"
    ),
    r"(position_embeddings|absolute_pos_embed|pos_embed)": (
        "give a network without absolute position embeddings, which driftseg's encoders lack"
    ),
}
"""Patterns of tensor names and the advice for each."""
_PLAIN = (
    "save the network before quantisation, or its weights in float16, bfloat16, float32 or float64"
)


def refuse_quantised(path: str, tensors: Mapping[str, Tensor], used: Iterable[str]) -> None:
    """Raises InputError for tensors that are not plain floats.

    Args:
        path: of the file.
        tensors: of one network, by the file's names.
        used: names of the tensors that would be loaded.

    Raises:
        InputError: naming the first such tensor.
    """
    for name, tensor in tensors.items():
        if _QUANTISED.fullmatch(name):
            raise InputError(
                f"{path}: expected plain weights, got quantised ones ({name} belongs to a "
                f"quantisation). To fix: {_PLAIN}"
            )
        if tensor.is_quantized:
            raise InputError(
                f"{path}: expected plain weights, got quantised ones ({name} is quantised). To "
                f"fix: {_PLAIN}"
            )
    refuse_integers(path, tensors, used)


def refuse_integers(path: str, tensors: Mapping[str, Tensor], used: Iterable[str]) -> None:
    """Raises InputError for loaded tensors that are not plain floats, except counters.

    Raises:
        InputError: naming the first such tensor.
    """
    for name in used:
        kind = tensors[name].dtype
        if kind not in _FLOATS and not name.endswith("num_batches_tracked"):
            told = str(kind).removeprefix("torch.")
            raise InputError(
                f"{path}: expected plain numbers, got {told} in {name}. To fix: {_PLAIN}"
            )


def refuse_unknown(path: str, layout: Layout, found: Translation, *, with_head: bool) -> None:
    """Raises InputError for tensors that may affect the output and are in no table.

    Tensors for training only (losses, projectors, other heads) are only reported.

    Args:
        path: of the file.
        layout: of its names.
        found: the translated names.
        with_head: whether the whole network is loaded; otherwise only its encoder, and tensors
            after the encoder are only reported.

    Raises:
        InputError: naming the first such tensor and how many more there are.
    """
    if layout.name == OURS:
        return  # the load itself needs all of these names
    encoder = [n for ours, names in found.origins.items() if _of_encoder(ours) for n in names]
    owner = next((o for o in _OWNERS if encoder and all(n.startswith(o) for n in encoder)), "")

    def counts(name: str) -> bool:
        if with_head and not _TRAINING_ONLY.match(name):
            return True
        return bool(encoder) and name.startswith(owner) and not name.startswith(_HEADS)

    odd = [
        name
        for ours, names in found.origins.items()
        for name in names
        if ours.rpartition(".")[2] not in _LEAVES
    ]
    unknown = [*odd, *filter(counts, found.unknown)]
    if not unknown:
        return
    more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
    mend = "give a file of the plain network, with adapters and other additions merged or removed"
    for pattern, what in _KNOWN.items():
        named = [name for name in unknown if re.search(pattern, name)]
        if named:
            unknown, mend = named, what
            break
    raise InputError(
        f"{path}: expected tensors of the layout {layout.name}, got {unknown[0]}{more}, "
        f"without which the network would compute something else. To fix: {mend}"
    )


def told_otherwise(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """How an encoder of the same widths and depths differs, in words; empty if unknown."""
    for name, tensor in wanted.items():
        held = found.get(name)
        if held is None or not held.ndim or held.shape == tensor.shape:
            continue
        if name.endswith("relative_position_bias_table"):
            sides = [(math.isqrt(len(table)) + 1) // 2 for table in (held, tensor)]
            return f" (attention windows of {sides[0]}, driftseg's of {sides[1]})"
        if name.endswith("feed_forward.expand.weight"):
            ratios = [f"{table.shape[0] / table.shape[1]:g}" for table in (held, tensor)]
            return f" (feed-forward {ratios[0]} times as wide, driftseg's {ratios[1]} times)"
        return f" ({name} is {tuple(held.shape)}, driftseg's {tuple(tensor.shape)})"
    return ""


def as_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, floating-point ones in float32."""
    return {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}


def _of_encoder(ours: str) -> bool:
    return ours.startswith("encoder.")
