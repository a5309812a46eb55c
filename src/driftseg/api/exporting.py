"""`driftseg.export`: writes a model for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import nn

import driftseg
from driftseg.api.models import Model, load_model
from driftseg.api.online import OnlineModel
from driftseg.errors import InputError
from driftseg.exporting.export import Exported, check_size, export_folder, export_graph
from driftseg.exporting.facts import Facts, normalisation
from driftseg.exporting.targets import find_out, find_target
from driftseg.models.adapters import load_adapters
from driftseg.models.checkpoints import digest
from driftseg.models.checkpoints.files import read_metadata
from driftseg.models.checkpoints.own import ADAPTERS_KEY, CAME
from driftseg.models.encoders.sites import adapters_of
from driftseg.models.network import Network
from driftseg.models.plain import plain_copy
from driftseg.models.segmenter import Segmenter
from driftseg.runs.source_model import BUNDLED

BESIDE = "adapters.safetensors"
"""Name of the file of adapters that a run leaves beside its checkpoint."""


def export(
    model: Model | OnlineModel | nn.Module | str | Path | None,
    to: Literal["onnx", "openvino", "torch_export", "huggingface"],
    out: str | Path | None = None,
    *,
    adapters: str | Path | None = None,
    size: tuple[int, int] | None = None,
    generator: torch.Generator | None = None,
) -> Exported:
    """Writes a model for another runtime (``driftseg export``).

    The file takes images (batch, 3, height, width) in float32, RGB, 0 to 255. Normalisation is in
    the graph. It gives logits (batch, classes, h, w) on the model's own grid. Its metadata
    holds classes, colours, mean, std and sizes. Before the file gets its name, its logits are
    compared with those of torch, for several sizes and batches.

    Args:
        model: as of ``load_model``; or what ``adapt`` or ``merge`` returned.
        to: ``onnx``, ``openvino``, ``torch_export`` or ``huggingface`` (a folder, for SegFormer).
        out: a new file or folder; None names one after the model, in the current folder.
        adapters: a file of adapters that belong to the checkpoint. None takes
            ``adapters.safetensors`` where a run left it beside the checkpoint; ``"none"`` takes
            none. LoRA is added to the weights; other kinds stay in the graph as they are.
        size: (width, height), the only size that the file takes; None takes every size of the
            model.
        generator: draws the test images; None takes a generator of seed 0.

    Returns:
        The path, its size in bytes, and the largest difference of logits.

    Raises:
        InputError: the model cannot be exported, a library is missing, or ``out`` cannot be used;
            then nothing is written.
    """
    target = find_target(to)
    check_size(size)
    stem = _stem(model)
    where = find_out(None if out is None else Path(out).expanduser(), target, stem)
    ready = model.merge() if isinstance(model, OnlineModel) else load_model(model)
    file = _adapters_file(model, adapters)
    network = plain_copy(ready.network)
    if file is not None:
        network = _with_adapters(network, file)
    network.module.cpu()
    told = _adapters_told(ready.network, network, file)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    if target == "huggingface":
        extra = {} if ready.info is None else ready.info.extra
        return export_folder(
            network, where, classes=ready.classes, came=extra.get(CAME, {}),
            made=_made(ready, stem, told), generator=generator,
        )  # fmt: skip

    def facts_for(multiple: int, probed: tuple[int, int]) -> Facts:
        mean, deviation = normalisation(network, probed)
        return Facts(
            classes=ready.classes, colours=ready.colours, classes_known=ready.classes_known,
            mean=tuple(mean), deviation=tuple(deviation), size_multiple=multiple, size=size,
            adapters=told, source=stem, digest=digest(network.module),
            driftseg_version=driftseg.__version__, notes=ready.notes,
        )  # fmt: skip

    return export_graph(
        network, target, where, facts_for=facts_for,
        size=None if size is None else (size[1], size[0]), generator=generator,
    )  # fmt: skip


def _made(model: Model, stem: str, adapters: str) -> dict[str, str]:
    """What a model card tells of how the model was made."""
    told = {"title": stem, "written by": f"driftseg {driftseg.__version__}", "from": stem}
    if model.info is not None:
        told["digest of the weights it was read from"] = model.info.digest
        plain = (str, int, float)
        told |= {k: str(v) for k, v in model.info.extra.items() if isinstance(v, plain)}
    told["adapters"] = adapters
    notes = {f"note {number}": note for number, note in enumerate(model.notes, 1)}
    return told | notes


def _stem(model: object) -> str:
    """A name for what is written."""
    if isinstance(model, OnlineModel):
        model = model.model
    if isinstance(model, Model):
        model = model.module if model.info is None else model.info.path
    if model is None:
        model = BUNDLED
    if isinstance(model, str | Path):
        path = Path(model)
        generic = path.stem in ("model", "pytorch_model", "last", "best") and path.parent.name
        return path.parent.name if generic else path.stem
    return type(model).__name__.lower()


def _adapters_file(model: object, given: str | Path | None) -> Path | None:
    """The file of adapters to put in, if any."""
    if given is not None and str(given) == "none":
        return None
    if given is not None:
        return Path(given).expanduser()
    if not isinstance(model, str | Path):
        return None
    beside = Path(model).expanduser().with_name(BESIDE)
    return beside if beside.is_file() and ADAPTERS_KEY in read_metadata(beside) else None


def _with_adapters(network: Network, file: Path) -> Network:
    if not isinstance(network, Segmenter):
        raise InputError(
            f"adapters: expected a network of driftseg, got {file} for a module of your own. To "
            "fix: export the result of adapter.merge()"
        )
    load_adapters(file, network)
    return plain_copy(network)


def _adapters_told(before: Network, after: Network, file: Path | None) -> str:
    """What became of adapters, in words."""
    left = sorted({type(one).__name__ for _, one in adapters_of(after.module)})
    if left:
        return f"in the graph: {', '.join(left)}"
    had = file is not None or next(adapters_of(before.module), None) is not None
    return "merged into the weights" if had else "none"
