"""Reading weights from files, folders, installed packages and the Hugging Face hub.

This module does not interpret tensors; `names.py` does. Files are data and never code: torch's
restricted unpickler reads pickles and builds only tensors and plain containers.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from driftseg.errors import InputError
from driftseg.models.checkpoints.descriptions import (
    classes_of_config,
    classes_of_meta,
    images_of_meta,
)
from driftseg.models.checkpoints.hub import fetch
from driftseg.models.checkpoints.imagenet import imagenet_file

IMAGENET = "imagenet"
"""The source name that stands for an encoder's installed ImageNet weights."""

WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
"""Names of weights in a Hugging Face folder, best first."""
INDEX = ".index.json"
"""Suffix of the index of weights in several files."""
CONFIG = "config.json"
PREPROCESSING = "preprocessor_config.json"

_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_PIECE = re.compile(
    r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<all>\d{5})(?P<suffix>\.(safetensors|bin|pt|pth))"
)
_TRAINING_STATE = re.compile(
    r"(optim|sched|lr_|scaler|grad_scaler|rng|random|callback|loops|hyper|meta|message_hub|args|"
    r"config|cfg|amp|history).*"
)
"""Names of training state beside the weights, whose tensors are not weights."""
_CONVERT = "torch.save({'state_dict': model.state_dict()}, path)"


@dataclass(frozen=True)
class Contents:
    """The contents of a source."""

    path: Path
    """The file of the tensors; for several files, their index."""
    tensors: dict[str, Tensor]
    """Tensors by their names in the file, with the names of their wrappers as prefix."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Other facts of the file: safetensors metadata, plain numbers and texts, ``classes`` (names in
    id order) and ``colours`` (RGB)."""
    config: dict[str, Any] = field(default_factory=dict)
    """The complete config.json beside the file; empty without one."""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    """Preprocessing of images (``image_mean``, ...), from the preprocessor_config.json beside the
    file or the config in it; empty if unknown."""
    size: int = 0
    """Bytes of all files."""


def read_source(source: str | Path, *, encoder: str | None = None) -> Contents:
    """Reads a file, a Hugging Face folder, a hub id, or "imagenet".

    Args:
        source: path of a .safetensors, .pth, .pt or .bin file; path of a folder with
            ``model.safetensors`` or ``pytorch_model.bin``; a hub id "owner/name" if no such path
            exists; or "imagenet".
        encoder: name of the wanted encoder, only for "imagenet".

    Raises:
        InputError: the source is missing, unreadable, holds no tensors, or holds code.
    """
    if source == IMAGENET:
        return read_file(imagenet_file(encoder))
    path = Path(source).expanduser()
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        _refuse_piece(path)
        return _with_config(path)
    if is_hub_id(source):
        return _with_config(fetch(str(source), WEIGHT_NAMES, INDEX, (CONFIG, PREPROCESSING)))
    raise InputError(
        f"{source}: expected a checkpoint, got a path where there is none. To fix: give an "
        "existing file, folder or hub id"
    )


def _refuse_piece(path: Path) -> None:
    """Raises InputError for one file of a checkpoint in several files."""
    found = _PIECE.fullmatch(path.name)
    if found is None:
        return
    index = path.with_name(f"{found['stem']}{found['suffix']}{INDEX}")
    mend = f"give the folder {path.parent}, or its {index.name}"
    if not index.is_file():
        mend = f"fetch {index.name} and all pieces into {path.parent}, and give that folder"
    raise InputError(
        f"{path}: expected a whole checkpoint, got piece {int(found['number'])} of "
        f"{int(found['all'])}. To fix: {mend}"
    )


def is_hub_id(source: str | Path) -> bool:
    """Whether a text has the form "owner/name" without the suffix of a weights file."""
    form = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", str(source))
    return form is not None and Path(source).suffix not in _SUFFIXES


def read_file(path: Path) -> Contents:
    """Reads one file of tensors; its first bytes, not its suffix, determine the format.

    Raises:
        InputError: the file is missing, empty, corrupt, holds no tensors, or holds code.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: expected a checkpoint file, got a path where there is none. To fix: give an "
            "existing file"
        )
    if path.stat().st_size == 0:
        raise InputError(
            f"{path}: expected a checkpoint file, got an empty file. To fix: fetch or copy it again"
        )
    if path.name.endswith(INDEX):
        return _read_pieces(path)
    contents = _read_safetensors(path) if _is_safetensors(path) else _read_torch(path)
    if not contents.tensors:  # an empty safetensors file; other formats report their contents
        raise InputError(
            f"{path}: expected a file of model weights, got one without tensors. To fix: give "
            "another file"
        )
    for name, tensor in contents.tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta:
            kind = "has no values (meta)" if tensor.is_meta else f"is stored as {tensor.layout}"
            raise InputError(
                f"{path}: expected a dense tensor of numbers, got {name}, which {kind}. To fix: "
                f"where it was made, save dense weights with {_CONVERT}"
            )
    return contents


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without reading its tensors; empty for other files.

    Raises:
        InputError: the file is missing or its header is corrupt.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: expected a checkpoint file, got a path where there is none. To fix: give an "
            "existing file"
        )
    if not _is_safetensors(path):
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise _corrupt(path, error) from error


def _is_safetensors(path: Path) -> bool:
    """Eight bytes of header length, then the header's opening brace."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _read_safetensors(path: Path) -> Contents:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = dict(file.metadata() or {})
    except SafetensorError as error:
        raise _corrupt(path, error) from error
    return Contents(path, tensors, facts, size=path.stat().st_size)


def _read_torch(path: Path) -> Contents:
    try:
        # memory mapping saves memory if the file also holds optimiser state or three networks
        held = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except Exception as error:  # any error here comes from the file's bytes
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        if foreign:
            raise InputError(
                f"{path}: expected a file of weights, got one that calls {foreign[1]} and could "
                f"run code. To fix: where it was made, save the weights alone with {_CONVERT}"
            ) from error
        if "TorchScript" in str(error):
            raise InputError(
                f"{path}: expected a file of weights, got a TorchScript program. To fix: where "
                f"it was made, save the weights alone with {_CONVERT}"
            ) from error
        raise _corrupt(path, error) from error
    if not isinstance(held, Mapping):
        kind = type(held).__name__
        raise InputError(
            f"{path}: expected named tensors, got a {kind}. To fix: save it with {_CONVERT}"
        )
    tensors = dict(_flat(held))
    if not tensors:
        raise InputError(
            f"{path}: expected named tensors, got {_told(held)}. To fix: give a file of model "
            f"weights, saved with {_CONVERT}"
        )
    facts: dict[str, Any] = {
        str(name): value for name, value in held.items() if isinstance(value, str | int | float)
    }
    facts |= classes_of_meta(held.get("meta"))
    images = images_of_meta(held.get("meta"))
    size = path.stat().st_size
    return Contents(path, tensors, facts, preprocessing=images, size=size)


def _flat(held: Mapping[Any, Any], start: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors with the names of their mappings as prefix, without training state."""
    for name, value in held.items():
        if isinstance(value, Tensor):
            yield f"{start}{name}", value
        elif isinstance(value, Mapping) and not _TRAINING_STATE.fullmatch(str(name)):
            yield from _flat(value, f"{start}{name}.")


def _told(held: Mapping[Any, Any]) -> str:
    """The contents of a file without named tensors, for an error."""
    told = []
    for name, value in list(held.items())[:6]:
        kind = type(value).__name__
        if isinstance(value, Mapping):
            training = _TRAINING_STATE.fullmatch(str(name)) is not None
            kind = "state of training" if training else f"a mapping of {len(value)} names"
        elif isinstance(value, list | tuple):
            kind = f"a {kind} of {len(value)} without names"
        told.append(f"{name!r} ({kind})")
    return ", ".join(told) + (", ..." if len(held) > 6 else "") or "nothing"


def _corrupt(path: Path, error: Exception) -> InputError:
    reason = str(error).strip().split("\n")[0][:120] or type(error).__name__
    return InputError(
        f"{path}: expected a readable checkpoint, got a truncated or corrupt file, or another "
        f"file ({reason}). To fix: fetch or copy it again"
    )


def _read_folder(folder: Path) -> Contents:
    for name in WEIGHT_NAMES:
        for path in (folder / name, folder / f"{name}{INDEX}"):
            if path.is_file():
                return _with_config(path)
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{folder}: expected a network, got adapters of PEFT alone. To fix: load both with "
            "PEFT, and save model.merge_and_unload()"
        )
    pieces = sorted(path for path in folder.iterdir() if _PIECE.fullmatch(path.name))
    if pieces:
        _refuse_piece(pieces[0])
    raise InputError(
        f"{folder}: expected {' or '.join(WEIGHT_NAMES)}, or {INDEX[1:]} of one of them, got "
        "none. To fix: give the file itself if it has another name"
    )


def _with_config(path: Path) -> Contents:
    """A file, and the config.json beside it if the file has a name as in Hugging Face folders."""
    contents = read_file(path)
    if path.name.removesuffix(INDEX) not in WEIGHT_NAMES:
        return contents
    config = _read_config(path.with_name(CONFIG))
    # facts on the writer say nothing on the network
    contents.facts.pop("format", None)
    plain = {k: v for k, v in config.items() if isinstance(v, str | int | float)}
    facts = {**contents.facts, **plain, **classes_of_config(path.with_name(CONFIG), config)}
    images = _read_config(path.with_name(PREPROCESSING))
    return replace(contents, facts=facts, config=config, preprocessing=images)


def _read_pieces(index: Path) -> Contents:
    """Weights in several files, from their index."""
    named = _read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise InputError(
            f"{index}: expected a weight_map, got none. To fix: fetch or copy the checkpoint again"
        )
    files = sorted({str(file) for file in named.values()})
    outside = next((file for file in files if Path(file).name != file), None)
    if outside is not None:
        raise InputError(
            f"{index}: expected pieces in its own folder, got {outside}. To fix: put the pieces "
            "into the folder of the index"
        )
    tensors: dict[str, Tensor] = {}
    size = 0
    for file in files:
        if not index.with_name(file).is_file():
            raise InputError(
                f"{index}: expected the piece {file}, got a path where there is none. To fix: "
                "fetch that piece, too"
            )
        piece = read_file(index.with_name(file))
        tensors |= piece.tensors
        size += piece.size
    absent = next((name for name in named if name not in tensors), None)
    if absent is not None:
        raise InputError(
            f"{index}: expected the tensor {absent} in {named[absent]}, got a file without it. To "
            "fix: fetch all pieces again"
        )
    return Contents(index, tensors, size=size)


def _read_config(path: Path) -> dict[str, Any]:
    """A complete file of settings; empty if there is none."""
    return _read_json(path) if path.is_file() else {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputError(
            f"{path}: expected JSON, got an error ({error}). To fix: fetch or copy it again"
        ) from error
    if not isinstance(held, dict):
        raise InputError(
            f"{path}: expected settings by name, got none. To fix: fetch or copy it again"
        )
    return held
