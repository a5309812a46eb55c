"""The trainable set: stated completely by names of parts, and given to one optimiser."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from driftseg.errors import InputError, commas
from driftseg.models.draws import SharedDraws
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.encoders.stages import Dropout, DropPath
from driftseg.models.heads import MlpHead
from driftseg.models.network import Network, head_parts
from driftseg.models.norm import BatchNorm, Statistics

NORMS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
)


def trainable_names(network: Network, train: Sequence[str]) -> list[str]:
    """The parameters that ``train`` names, in the network's order.

    Args:
        network: of the parts.
        train: names of parts; ``encoder`` (all parts but heads), ``head``, ``norms`` (weights and
            biases of all normalisation layers outside the early head), ``adapters`` (if there are
            any; parts also contain theirs).

    Raises:
        InputError: the network does not have a name, or nothing is left to train.
    """
    parts = nameable(network)
    wanted: set[str] = set()
    for name in train:
        if name not in parts:
            raise InputError(
                f"train: expected a part of this model, got {name!r}. To fix: take some of "
                f"{commas(sorted(parts))}"
            )
        wanted.update(parts[name])
    if train and not wanted:
        raise InputError(
            f"train: expected parts with parameters, got {', '.join(train)}. To fix: name other "
            "parts"
        )
    return [name for name, _ in network.module.named_parameters() if name in wanted]


def nameable(network: Network) -> dict[str, list[str]]:
    """The names for ``train`` with their parameter names; these overlap."""
    own = {part: [*names] for part, names in network.parts.items()}
    early = set(own.get(network.heads.get("early") or "", ()))
    heads = head_parts(network)
    main = network.heads["main"]
    named = {
        "encoder": [n for part, names in own.items() if part not in heads for n in names],
        "head": [] if main is None else own[main],
        "norms": sorted(_norm_names(network.module) - early),
        **own,
    }
    if adapters := adapter_names(network.module):
        named["adapters"] = adapters
    return named


def freeze_except(network: Network, names: Iterable[str]) -> None:
    """Enables gradients for exactly these parameters, and puts frozen parts into eval mode.

    A part is in training mode (dropout, drop path) only if one of its parameters is trained.
    """
    wanted = set(names)
    for name, parameter in network.module.named_parameters():
        parameter.requires_grad_(name in wanted)
    network.module.eval()
    for part, members in network.parts.items():
        if wanted.intersection(members):
            for module in network.training_modules(part):
                module.train()


def parameter_groups(
    network: Network,
    names: Collection[str],
    *,
    learning_rate: float,
    head_factor: float,
    weight_decay: float,
    adapter_factor: float = 1.0,
) -> list[dict[str, Any]]:
    """Optimiser groups that hold exactly ``names``, each tensor once.

    The learning rate of heads is multiplied by ``head_factor``, that of adapters by
    ``adapter_factor``. Norms (found by type) and parameters in the network's ``undecayed`` have no
    weight decay. Each group keeps its ``factor``, so a schedule can set all rates from one number.
    """
    heads = {name for part in head_parts(network) for name in network.parts[part]}
    adapters = set(adapter_names(network.module))
    undecayed = _norm_names(network.module) | network.undecayed
    factors = {"encoder": 1.0, "adapters": adapter_factor, "heads": head_factor}
    members: dict[tuple[str, bool], list[nn.Parameter]] = {
        (kind, exempt): [] for kind in factors for exempt in (False, True)
    }
    # every tensor is in exactly one list, so none is updated twice
    for name, parameter in network.module.named_parameters():
        if name in names:
            kind = "heads" if name in heads else "adapters" if name in adapters else "encoder"
            members[kind, name in undecayed].append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * factors[kind],
            "weight_decay": 0.0 if exempt else weight_decay,
            "factor": factors[kind],
        }
        for (kind, exempt), parameters in members.items()
        if parameters
    ]


def adamw(groups: list[dict[str, Any]]) -> torch.optim.AdamW:
    """AdamW over groups from `parameter_groups`, with the usual betas .9 and .999.

    Fused: one pass over every tensor instead of ten, a third of the time on a CPU.
    """
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), fused=True)


def choices(
    network: Network, trainable: Collection[str], *, fusion: bool = True
) -> dict[int, list[str]]:
    """HAMLET's choices (ICCV 2023): for each n the tensors of parts n to the last, and of heads.

    Parts without trainable tensors are not a choice. Parts that cannot be walked, and the main
    head, learn with every choice.

    Args:
        network: its parts are walked in order.
        trainable: names to choose from.
        fusion: False leaves out the head's fusion, norm and classifier and the embeddings of
            earlier levels, as HAMLET's released code does in every choice.
    """
    order = network.order
    numbers = [
        n for n, part in enumerate(order, 1) if set(network.parts[part]).intersection(trainable)
    ]
    return {
        n: names_from(network, trainable, n, fusion=fusion)
        for n in (numbers or [max(len(order), 1)])
    }


def names_from(
    network: Network, trainable: Collection[str], first: int, *, fusion: bool = True
) -> list[str]:
    """The trainable tensors of walked parts ``first`` (from 1) to the last.

    Also those of all parts that are not walked, except the early head.
    """
    order = network.order
    left_out = {name for part in order[: first - 1] for name in network.parts[part]}
    left_out.update(network.parts.get(network.heads.get("early") or "", ()))
    head = network.heads["main"]
    if not fusion and head is not None:
        left_out.update(network.parts[head])
        for module in network.training_modules(head):
            if isinstance(module, MlpHead):
                embeddings = [*module.embed][first - 1 :]
                kept = {id(p) for embedding in embeddings for p in embedding.parameters()}
                left_out -= {f"{head}.{n}" for n, p in module.named_parameters() if id(p) in kept}
    return [name for name in trainable if name not in left_out]


def set_learning_rate(
    optimiser: torch.optim.Optimizer, learning_rate: float, *, same_for_all: bool = False
) -> None:
    """Sets every group's rate to its factor times one rate, or to the rate itself."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate * (1.0 if same_for_all else group["factor"])


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """A copy of its state; torch's own state shares the tensors that the next step changes."""
    return copy.deepcopy(optimiser.state_dict())


def load_optimiser_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Continues from a state, which is not changed and can be loaded again."""
    optimiser.load_state_dict(copy.deepcopy(state))


def set_statistics(
    model: nn.Module, statistics: Statistics, *, only_trainable: bool = False
) -> None:
    """Sets the statistics of batch normalisation; frozen layers can stay unchanged."""
    for module in model.modules():
        if isinstance(module, BatchNorm) and (module.weight.requires_grad or not only_trainable):
            module.statistics = statistics


def set_generator(model: nn.Module, generator: torch.Generator | SharedDraws | None) -> None:
    """Sets the generator of dropout and drop path."""
    for module in model.modules():
        if isinstance(module, DropPath | Dropout | MlpHead):
            module.generator = generator


def _norm_names(model: nn.Module) -> set[str]:
    return {
        f"{name}.{parameter}"
        for name, module in model.named_modules()
        if isinstance(module, NORMS)
        for parameter, _ in module.named_parameters(recurse=False)
    }
