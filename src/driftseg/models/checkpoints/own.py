"""Our own checkpoints: one safetensors file that holds a network and how to build it.

A .json file of the same name repeats the facts for people; reading does not need it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from driftseg.errors import InputError, commas
from driftseg.labels import Colour
from driftseg.models.checkpoints.checks import refuse_integers
from driftseg.models.checkpoints.files import read_file, read_metadata
from driftseg.models.checkpoints.names import OURS
from driftseg.models.checkpoints.translation import guess_encoder
from driftseg.models.encoders import ENCODERS, may_be_encoder
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.segmenter import Segmenter, build_segmenter

FORMAT_VERSION = 1
METADATA_KEY = "driftseg"
"""Key of our facts in a safetensors file, as JSON."""
ADAPTERS_KEY = "driftseg_adapters"
"""Key of the facts in a file of adapters (`driftseg.models.adapters.files`)."""
CAME = "hugging_face"
"""Key in ``extra``: data of the network's Hugging Face folder, for an export in the same form."""

_NOT_WRITTEN = ("path", "layout", "notes")
_LARGEST_HALF = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class CheckpointInfo:
    """The facts of a checkpoint: enough to build its network."""

    path: str
    encoder: str
    head_width: int
    early_head: bool
    label_space: str
    """Name of the preset with these classes in this order; "own" for other classes, "unknown"
    without class names."""
    classes: tuple[str, ...]
    """Class names in id order; "class 0", "class 1", ... without class names."""
    half: bool
    """Whether weight matrices and kernels are stored in 16 bits."""
    digest: str
    """`digest` of the network that was built from the file."""
    format_version: int = FORMAT_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further facts from the writer (scores, training settings)."""
    colours: tuple[Colour, ...] = ()
    """RGB of each class, if the file has them."""
    classes_known: bool = True
    """Whether the classes have real names."""
    layout: str = OURS
    """Layout of the file's tensor names."""
    notes: tuple[str, ...] = ()
    """Notes for readers of results on how the file was read."""


def save_checkpoint(
    path: Path,
    model: Segmenter,
    *,
    encoder: str,
    head_width: int,
    label_space: str,
    classes: Sequence[str],
    half: bool = False,
    extra: Mapping[str, object] | None = None,
    colours: Sequence[Colour] = (),
    classes_known: bool = True,
) -> CheckpointInfo:
    """Writes a network; the file appears complete or not at all.

    Args:
        path: the file, ending in .safetensors; a .json file of the same name is written beside
            it for people.
        model: the network.
        encoder: its encoder's name in ``ENCODERS``.
        head_width: embedding width of its heads.
        label_space: name of the label space of its classes.
        classes: class names in id order.
        half: store weights of two and more dimensions in 16 bits; biases, norms and their
            statistics stay in 32.
        extra: further facts, of JSON types.
        colours: RGB of each class, 0 to 255; empty stores none.
        classes_known: False if the names are only numbers of outputs.

    Raises:
        InputError: the path does not end in .safetensors.
        ValueError: the facts do not describe the model.
    """
    if path.suffix != ".safetensors":
        raise InputError(
            f"expected a .safetensors file for a checkpoint, got {path}. To fix: name the file so"
        )
    _check_facts(model, encoder, head_width, classes)
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    if half:
        state = {name: _halved(tensor) for name, tensor in state.items()}
    info = CheckpointInfo(
        path=str(path),
        encoder=encoder,
        head_width=head_width,
        early_head=model.early_head is not None,
        label_space=label_space,
        classes=tuple(classes),
        half=half,
        digest=digest_tensors({name: _widened(tensor) for name, tensor in state.items()}),
        extra=dict(extra or {}),
        colours=tuple(colours),
        classes_known=classes_known,
    )
    facts = {key: value for key, value in asdict(info).items() if key not in _NOT_WRITTEN}
    if not info.colours:
        del facts["colours"]
    if info.classes_known:  # keeps files without these facts unchanged
        del facts["classes_known"]
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(state, {"format": "pt", METADATA_KEY: json.dumps(facts)}))
    write_whole(path.with_suffix(".json"), (json.dumps(facts, indent=2) + "\n").encode())
    return info


def load_checkpoint(path: str | Path) -> tuple[Segmenter, CheckpointInfo]:
    """Builds the network of a driftseg checkpoint and loads it completely.

    Half-precision weights become float32. The network is in ``eval()`` mode; torch's random
    generator does not change.

    Raises:
        InputError: the file is missing, corrupt, not of driftseg, or of a later format.
    """
    info = read_info(path)
    stored = read_file(Path(path)).tensors
    refuse_integers(str(path), stored, stored)
    tensors = {name: _widened(tensor) for name, tensor in stored.items()}
    if digest_tensors(tensors) != info.digest:
        raise InputError(
            f"{path}: expected the tensors that were written, got others: the file is damaged. To "
            "fix: copy it again"
        )
    with torch.random.fork_rng(devices=[]):
        model = build_segmenter(
            info.encoder,
            classes=len(info.classes),
            head_width=info.head_width,
            early_head=info.early_head,
        )
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).split("\n")[1].strip()
        raise InputError(
            f"{path}: expected weights of {info.encoder}, which it names, got others ({reason}). "
            "To fix: give another checkpoint"
        ) from error
    return model.eval(), info


def read_info(path: str | Path) -> CheckpointInfo:
    """The facts of a driftseg checkpoint, without reading its tensors.

    Raises:
        InputError: the file is missing, corrupt, not of driftseg, or of a later format.
    """
    metadata = read_metadata(Path(path))
    text = metadata.get(METADATA_KEY)
    if text is None and ADAPTERS_KEY in metadata:
        raise InputError(
            f"{path}: expected a checkpoint, got adapters alone. To fix: name it as adapters.file, "
            "and the network that they belong to as the checkpoint"
        )
    if text is None:
        raise InputError(
            f"{path}: expected a checkpoint of driftseg, got another file. To fix: open it with "
            "open_checkpoint, or show it with driftseg inspect"
        )
    try:
        facts = json.loads(text)
        version = facts["format_version"]
        if version > FORMAT_VERSION:
            raise InputError(
                f"{path}: expected checkpoint format {FORMAT_VERSION} or earlier, got "
                f"{version}. To fix: install a later driftseg"
            )
        facts["classes"] = tuple(facts["classes"])
        facts["colours"] = tuple(tuple(colour) for colour in facts.get("colours", ()))
        info = CheckpointInfo(path=str(path), **facts)
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path}: expected readable driftseg metadata, got an error ({error}). To fix: copy "
            "the file again"
        ) from error
    if not may_be_encoder(info.encoder):
        raise InputError(
            f"{path}: expected one of the encoders {commas(ENCODERS)}, got {info.encoder}. To fix: "
            "give another checkpoint"
        )
    return info


def digest(model: nn.Module) -> str:
    """The first 12 hexadecimal digits of a SHA-256 over all names, shapes and bytes."""
    return digest_tensors(model.state_dict())


def digest_tensors(state: Mapping[str, Tensor]) -> str:
    """The same digest over tensors by name."""
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()[:12]


def _check_facts(model: Segmenter, encoder: str, head_width: int, classes: Sequence[str]) -> None:
    if adapter_names(model):
        raise ValueError(
            "expected a model without adapters, got one with adapters. To fix: detach or merge "
            "them, or save them alone"
        )
    actual = guess_encoder(model.state_dict())
    if actual is not None and encoder != actual:
        raise ValueError(
            f"expected the encoder {encoder}, got {actual}. To fix: give the name of the model's "
            "encoder"
        )
    for head in filter(None, (model.head, model.early_head)):
        if head_width != head.width:
            raise ValueError(
                f"expected heads of width {head_width}, got {head.width}. To fix: give the "
                "width of the model's heads"
            )
    if len(classes) != model.head.classes:
        raise ValueError(
            f"expected {model.head.classes} class names, one for each output of the head, got "
            f"{len(classes)}. To fix: name each output"
        )


def _halved(tensor: Tensor) -> Tensor:
    """Converts a weight matrix or kernel to 16 bits if its range allows it."""
    if tensor.ndim < 2 or not tensor.is_floating_point() or tensor.abs().max() > _LARGEST_HALF:
        return tensor
    return tensor.half()


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def write_whole(path: Path, content: bytes) -> None:
    """Writes a temporary file, syncs it to the disk and renames it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
