"""State dicts in one safetensors file: data, never code.

A state is dicts, lists, tuples, numbers, texts, None, tensors and numpy arrays. Tensors and arrays
are stored as tensors. Their positions and everything else are JSON in the file's metadata. Reading
restores the same types (tuples, numbers as keys) and runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from driftseg.errors import InputError
from driftseg.runs.whole import write_whole

KEY = "driftseg_state"
VERSION = 1


def save_state(path: Path, state: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Writes a state to a file, completely or not at all.

    Args:
        path: the file; its folder is made if it is missing.
        state: as above.
        facts: plain values that describe the state.

    Raises:
        TypeError: the state holds another type. InputError: the file cannot be written.
    """
    data = state_bytes(state, facts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be written, got an error ({error.strerror}). To "
            "fix: make room, or change the folder's permissions"
        ) from None


def state_bytes(state: Mapping[str, Any], facts: Mapping[str, Any]) -> bytes:
    """A state as the contents of a file; arguments as of `save_state`.

    Raises:
        TypeError: the state holds something else.
    """
    tensors: dict[str, Tensor] = {}
    plain = _packed(state, tensors)
    told = json.dumps({"version": VERSION, "facts": facts, "state": plain})
    data: bytes = save(tensors or {"nothing": torch.zeros(1)}, {"format": "pt", KEY: told})
    return data


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state that was saved, and its facts.

    Raises:
        InputError: there is no such file, or it holds no state of driftseg.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: expected a file that save() wrote, got a path where there is none. To fix: "
            "check the path"
        )
    try:
        with safe_open(path, framework="pt") as file:
            told = (file.metadata() or {}).get(KEY)
            if told is None:
                raise InputError(
                    f"{path}: expected the state of an adapted model, got another safetensors "
                    "file. To fix: name a file that save() wrote"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"{path}: expected a readable safetensors file, got an error ({error}). To fix: name a "
            "file that save() wrote"
        ) from None
    values = json.loads(told)
    if values["version"] != VERSION:
        raise InputError(
            f"{path}: expected format {VERSION}, got {values['version']}. To fix: use the version "
            "of driftseg that wrote the file"
        )
    state: dict[str, Any] = _unpacked(values["state"], tensors)
    return state, values["facts"]


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        strides = value.stride()
        if strides == tensors[name].stride() or 0 in strides:
            return {"$": "tensor", "name": name}
        return {"$": "tensor", "name": name, "strides": [*strides]}
    if isinstance(value, np.ndarray):
        name = f"t{len(tensors)}"
        tensors[name] = torch.from_numpy(np.ascontiguousarray(value).copy())
        return {"$": "array", "name": name}
    if isinstance(value, Mapping):
        return {"$": "dict", "items": [[_packed(k, tensors), _packed(v, tensors)]
                                       for k, v in value.items()]}  # fmt: skip
    if isinstance(value, tuple):
        return {"$": "tuple", "items": [_packed(one, tensors) for one in value]}
    if isinstance(value, list):
        return [_packed(one, tensors) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"expected tensors, arrays and plain values in a state, got a {type(value).__name__}. "
        "To fix: convert it to one of these in state_dict"
    )


def _laid_out(tensor: Tensor, strides: list[int] | None) -> Tensor:
    """Restores the memory layout; sums in another order of elements would round differently."""
    if strides is None:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value["$"]
    if kind == "tensor":
        return _laid_out(tensors[value["name"]], value.get("strides"))
    if kind == "array":
        return tensors[value["name"]].numpy()
    if kind == "tuple":
        return tuple(_unpacked(one, tensors) for one in value["items"])
    return {_unpacked(k, tensors): _unpacked(v, tensors) for k, v in value["items"]}
