"""The source model of a run, and the classes of its predictions."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from torch import nn

from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.labels import (
    LabelSpace,
)
from driftseg.models.checkpoints import (
    CheckpointInfo,
    digest,
    is_hub_id,
    open_checkpoint,
    order_classes,
)
from driftseg.models.network import Network
from driftseg.models.segmenter import Segmenter
from driftseg.models.wrapped import wrap
from driftseg.parts import load
from driftseg.runs.classes import wanted_order

BUNDLED = "town_efficientnet_lite0.safetensors"


def load_model(config: RunConfig) -> tuple[Network, CheckpointInfo]:
    """The source model, checked against the config."""
    if config.model is not None and config.model.network is not None:
        return own_network(config, config.model.network)
    wanted = None if config.model is None else config.model.encoder
    chosen, ignored = config.weights, config.ignore_outputs or ()
    if config.checkpoint is None:
        with as_file(files("driftseg") / "assets" / BUNDLED) as path:
            model, info = open_checkpoint(path, weights=chosen, ignore_outputs=ignored)
    else:
        given = config.checkpoint.replace("{encoder}", wanted or "{encoder}")
        path = Path(given).expanduser()
        if not path.exists() and not is_hub_id(given):
            raise InputError(
                f"checkpoint {path}: expected a checkpoint file, got a path where there is "
                "none. To fix: make it with driftseg train, or set checkpoint"
            )
        source = path if path.exists() else given
        model, info = open_checkpoint(source, weights=chosen, ignore_outputs=ignored)
    if wanted is not None and info.encoder != wanted:
        raise InputError(
            f"checkpoint {info.path}: expected the encoder {wanted}, which the config names, got "
            f"{info.encoder}. To fix: set model.encoder={info.encoder}, or name another checkpoint"
        )
    return model, info


def own_network(config: RunConfig, name: str) -> tuple[Network, CheckpointInfo]:
    """A user's torch module as a network.

    Raises:
        InputError: it cannot be made or adapted.
    """
    settings = config.model
    assert settings is not None
    if config.weights is not None or config.ignore_outputs is not None:
        raise InputError(
            "weights, ignore_outputs: expected a checkpoint, got a network of your own. To fix: "
            "set model.ignored in place of ignore_outputs, and load weights where the network is "
            "made"
        )
    module = load(name, where="model.network")()
    if not isinstance(module, nn.Module):
        raise InputError(
            f"model.network: expected a function that returns a torch.nn.Module, got {name}, which "
            f"returns a {type(module).__name__}. To fix: return the module"
        )
    given = settings.model_dump(exclude={"encoder", "network"}, exclude_none=True)
    network = wrap(module, **given)
    info = CheckpointInfo(
        path=name,
        encoder=type(module).__name__,
        head_width=0,
        early_head=False,
        label_space="unknown",
        classes=tuple(f"class {number}" for number in range(network.classes)),
        half=False,
        digest=digest(module),
        classes_known=False,
        layout="a torch module",
        notes=(f"{name} is one of the user's own, of parts {', '.join(network.parts)}",),
    )
    return network, info


def in_order(
    model: Network, info: CheckpointInfo, config: RunConfig, space: LabelSpace
) -> CheckpointInfo:
    """Sorts the outputs in the target's order if the classes are the same.

    Outputs of a user's own module stay unchanged.
    """
    if not isinstance(model, Segmenter):
        return info
    return order_classes(model, info, wanted_order(config, space))
