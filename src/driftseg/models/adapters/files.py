"""A safetensors file of adapters only, tied to its base by a digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save
from torch import Tensor

from driftseg.errors import InputError
from driftseg.models.adapters.attach import attach, remove
from driftseg.models.adapters.spec import AdapterSpec, adapter_spec
from driftseg.models.checkpoints.checks import refuse_integers
from driftseg.models.checkpoints.files import read_file, read_metadata
from driftseg.models.checkpoints.own import ADAPTERS_KEY, digest_tensors, write_whole
from driftseg.models.checkpoints.translation import guess_encoder
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.segmenter import Segmenter

FORMAT_VERSION = 1

Base = Literal["encoder", "network"]
"""The base of an adapter file. encoder: heads may differ. network: heads included."""


@dataclass(frozen=True)
class AdapterInfo:
    """The facts of an adapter file."""

    path: str
    encoder: str
    adapters: Mapping[str, Any]
    """`AdapterSpec.facts`: kind, place, stages, widths."""
    base: Base
    base_digest: str
    """Digest of the base's tensors, without adapters."""
    digest: str
    """Digest of the adapters' tensors."""
    format_version: int = FORMAT_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further facts from the writer."""

    @property
    def spec(self) -> AdapterSpec:
        """The adapters whose values the file holds."""
        return adapter_spec(**self.adapters)


def base_digest(model: Segmenter, base: Base = "encoder") -> str:
    """Digest of the network, or of its encoder, without adapters."""
    own = set(adapter_names(model))
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in own}
    if base == "encoder":
        state = {name: tensor for name, tensor in state.items() if name.startswith("encoder.")}
    return digest_tensors(state)


def save_adapters(
    path: str | Path,
    model: Segmenter,
    *,
    encoder: str,
    base: Base = "encoder",
    extra: Mapping[str, object] | None = None,
) -> AdapterInfo:
    """Writes only a network's adapters; the file appears complete or not at all.

    Heads are not written, even if they learnt together with the adapters; they are in the
    checkpoint of the network.

    Args:
        path: the file, ending in .safetensors.
        model: the network.
        encoder: its encoder's name in ``ENCODERS``.
        base: what must be the same when the file is loaded.
        extra: further facts, of JSON types.

    Raises:
        InputError: the path does not end in .safetensors.
        ValueError: the network has no adapters, or another encoder.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(
            f"expected a .safetensors file for adapters, got {path}. To fix: name the file so"
        )
    if model.adapters is None:
        raise ValueError(
            "expected a network with adapters, got one without. To fix: attach adapters first"
        )
    state = model.state_dict()
    actual = guess_encoder(state)
    if actual is not None and actual != encoder:
        raise ValueError(
            f"expected the encoder {encoder}, got {actual}. To fix: give the name of the model's "
            "encoder"
        )
    tensors = {name: state[name].detach().cpu().contiguous() for name in adapter_names(model)}
    info = AdapterInfo(
        path=str(path),
        encoder=encoder,
        adapters=model.adapters.facts(),
        base=base,
        base_digest=base_digest(model, base),
        digest=digest_tensors(tensors),
        extra=dict(extra or {}),
    )
    facts = {key: value for key, value in asdict(info).items() if key != "path"}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(tensors, {"format": "pt", ADAPTERS_KEY: json.dumps(facts)}))
    return info


def load_adapters(path: str | Path, model: Segmenter) -> AdapterInfo:
    """Loads a network's adapters from a file; a network without adapters gets them first.

    Raises:
        InputError: the file is missing, damaged or no adapter file, or belongs to another base or
            other adapters; the network does not change.
    """
    info = read_adapter_info(path)
    _check_base(info, model)
    if model.adapters is not None:
        _check_same(info, model.adapters)
    tensors = read_file(Path(path)).tensors
    refuse_integers(str(path), tensors, tensors)
    if digest_tensors(tensors) != info.digest:
        raise InputError(
            f"{path}: expected the tensors that were written, got others: the file is damaged. To "
            "fix: copy it again"
        )
    bare = model.adapters is None
    if bare:
        attach(model, info.spec, torch.Generator())
    try:
        _fill(path, model, tensors)
    except InputError:
        if bare:
            remove(model)
        raise
    return info


def read_adapter_info(path: str | Path) -> AdapterInfo:
    """The facts of an adapter file, without reading its tensors.

    Raises:
        InputError: the file is missing, corrupt, no adapter file, or of a later format.
    """
    text = read_metadata(Path(path)).get(ADAPTERS_KEY)
    if text is None:
        raise InputError(
            f"{path}: expected a file of adapters that driftseg wrote, got another file. To fix: "
            "name such a file"
        )
    try:
        facts = json.loads(text)
        version = facts["format_version"]
        if version > FORMAT_VERSION:
            raise InputError(
                f"{path}: expected adapter format {FORMAT_VERSION} or earlier, got {version}. "
                "To fix: install a later driftseg"
            )
        info = AdapterInfo(path=str(path), **facts)
        adapter_spec(**info.adapters)
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path}: expected readable driftseg metadata, got an error ({error}). To fix: copy "
            "the file again"
        ) from error
    return info


def _check_base(info: AdapterInfo, model: Segmenter) -> None:
    actual = guess_encoder(model.state_dict())
    if actual is not None and actual != info.encoder:
        raise InputError(
            f"{info.path}: expected adapters of this network's encoder {actual}, got adapters of "
            f"{info.encoder}. To fix: give the file of this encoder"
        )
    digest = base_digest(model, info.base)
    if digest != info.base_digest:
        raise InputError(
            f"{info.path}: expected adapters of this {info.base} (digest {digest}), got adapters "
            f"of another (digest {info.base_digest}). To fix: load the checkpoint that the "
            "adapters were trained on"
        )


def _check_same(info: AdapterInfo, spec: AdapterSpec) -> None:
    """Compares adapters; dropout may differ, because it is a setting of training."""
    held, wanted = info.spec.facts(), spec.facts()
    other = [name for name in held if name != "dropout" and held[name] != wanted.get(name)]
    if other:
        told = [f"{name} {held[name]}, not {wanted.get(name)}" for name in other]
        if "kind" in other:
            told = told[:1]
        raise InputError(
            f"{info.path}: expected the adapters of the config, got {', '.join(told)}. To fix: "
            "change the config, or name another file"
        )


def _fill(path: str | Path, model: Segmenter, tensors: Mapping[str, Tensor]) -> None:
    names = adapter_names(model)
    if set(names) != set(tensors):
        raise InputError(
            f"{path}: expected exactly the adapters that the file names, got others. To fix: copy "
            "the file again"
        )
    parameters = dict(model.named_parameters())
    for name in names:
        if parameters[name].shape != tensors[name].shape:
            raise InputError(
                f"{path}: expected {name} of shape {tuple(parameters[name].shape)}, got "
                f"{tuple(tensors[name].shape)}. To fix: name a file for this encoder"
            )
    with torch.no_grad():
        for name in names:
            parameters[name].copy_(tensors[name])
