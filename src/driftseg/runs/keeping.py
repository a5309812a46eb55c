"""An adapted model on disk, for ``load_model`` and ``export``."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from driftseg.models.adapters import detach_adapters, save_adapters
from driftseg.models.checkpoints import CheckpointInfo, digest, save_checkpoint
from driftseg.models.checkpoints.own import CAME
from driftseg.models.network import Network
from driftseg.models.segmenter import Segmenter

CHECKPOINTS = "checkpoints"
"""Name of the folder of the adapted model in a run or drive."""


def keep_model(model: Network, info: CheckpointInfo | None, folder: Path) -> Path:
    """Writes ``last.safetensors`` of an adapted model, and its adapters in a separate file.

    Args:
        model: the student; tensors of a user's module keep their names.
        info: of the checkpoint from which it started; None for a user's module.
        folder: it is made if it is missing.

    Returns:
        The checkpoint.
    """
    path = folder / "last.safetensors"
    if info is None or not isinstance(model, Segmenter):
        _keep_module(model.module, path, digest(model.module) if info is None else info.digest)
        return path
    extra = {"adapted_from": info.digest}
    if CAME in info.extra:
        extra[CAME] = info.extra[CAME]
    if model.adapters is not None:
        adapters = folder / "adapters.safetensors"
        save_adapters(adapters, model, encoder=info.encoder, extra=extra)
        model = detach_adapters(model)
    save_checkpoint(
        path,
        model,
        encoder=info.encoder,
        head_width=info.head_width,
        label_space=info.label_space,
        classes=info.classes,
        extra=extra,
        colours=info.colours,
    )
    return path


def _keep_module(module: nn.Module, path: Path, digest: str) -> None:
    """The tensors of a user's own module by their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()
    }
    save_file(state, path, {"format": "pt", "adapted_from": digest})
