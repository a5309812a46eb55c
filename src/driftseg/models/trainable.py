"""The trainable set: stated whole, by the names of parts, and given to one optimiser."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from driftseg.errors import InputError
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.encoders.stages import Dropout, DropPath
from driftseg.models.heads import MlpHead
from driftseg.models.norm import BatchNorm, Statistics
from driftseg.models.segmenter import Segmenter

HEADS = ("head", "early_head")
NORMS = (nn.LayerNorm, nn.modules.batchnorm._BatchNorm)


def trainable_names(model: Segmenter, train: Sequence[str]) -> list[str]:
    """The parameters that ``train`` names, in the model's order.

    Args:
        model: the network.
        train: ``encoder``, ``encoder.stage1`` to ``encoder.stage4``, ``head``, ``early_head``,
            ``norms`` (weights and biases of all normalisation layers of encoder and head),
            ``adapters`` (where there are any; parts of the encoder hold theirs too).

    Raises:
        InputError: a name that the model does not have.
    """
    groups = model.groups()
    parts = {**groups, "norms": sorted(_norm_names(model) - set(groups.get("early_head", ())))}
    stages = [names for part, names in groups.items() if part not in HEADS]
    parts["encoder"] = [name for names in stages for name in names]
    if adapters := adapter_names(model):
        parts["adapters"] = adapters
    wanted: set[str] = set()
    for name in train:
        if name not in parts:
            raise InputError(f"train: no part is called {name!r}; this model has {sorted(parts)}")
        wanted.update(parts[name])
    return [name for name, _ in model.named_parameters() if name in wanted]


def freeze_except(model: Segmenter, names: Iterable[str]) -> None:
    """Lets gradients reach exactly these parameters, and puts frozen parts into eval mode.

    A part trains (dropout, drop path) only where one of its parameters does.
    """
    wanted = set(names)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in wanted)
    model.eval()
    for part, members in model.groups().items():
        if wanted.intersection(members):
            part_of(model, part).train()


def part_of(model: Segmenter, part: str) -> nn.Module:
    """The module that a key of ``Segmenter.groups()`` names."""
    if part in HEADS:
        module = model.head if part == "head" else model.early_head
        assert module is not None
        return module
    return model.encoder.stages[int(part.removeprefix("encoder.stage")) - 1]


def parameter_groups(
    model: Segmenter,
    names: Collection[str],
    *,
    learning_rate: float,
    head_factor: float,
    weight_decay: float,
    adapter_factor: float = 1.0,
) -> list[dict[str, Any]]:
    """Optimiser groups that hold exactly ``names``, each tensor once.

    Heads learn ``head_factor`` times as fast and adapters ``adapter_factor`` times; norms (found
    by type) and what the encoder names in ``undecayed`` do not decay. Each group keeps its
    ``factor`` so that a schedule can set every rate from one number.
    """
    heads = {n for part in HEADS for n in model.groups().get(part, ())}
    adapters = set(adapter_names(model))
    undecayed = _norm_names(model) | _undecayed_names(model)
    factors = {"encoder": 1.0, "adapters": adapter_factor, "heads": head_factor}
    members: dict[tuple[str, bool], list[nn.Parameter]] = {
        (kind, exempt): [] for kind in factors for exempt in (False, True)
    }
    # every tensor is met once and put in one list, so none can be stepped twice
    for name, parameter in model.named_parameters():
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

    Fused: one pass over every tensor in place of ten, a third of the time on a CPU.
    """
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), fused=True)


def names_from_stage(
    model: Segmenter, trainable: Collection[str], first: int, *, fusion: bool = True
) -> list[str]:
    """Of the trainable tensors those of stages ``first`` to 4 and of the head (HAMLET, A.4).

    Args:
        model: the network.
        trainable: names to choose from.
        first: 1 to 4.
        fusion: False leaves out the head's fusion, norm and classifier and the embeddings of
            earlier levels, as the released code does in every choice (A.13, B2).
    """
    groups = model.groups()
    chosen = {n for i in range(first, 5) for n in groups[f"encoder.stage{i}"]}
    if fusion:
        chosen.update(groups["head"])
    else:
        embeddings = list(model.head.embed)[first - 1 :]
        kept = {id(p) for embedding in embeddings for p in embedding.parameters()}
        chosen.update(f"head.{n}" for n, p in model.head.named_parameters() if id(p) in kept)
    return [name for name in trainable if name in chosen]


def set_learning_rate(
    optimiser: torch.optim.Optimizer, learning_rate: float, *, same_for_all: bool = False
) -> None:
    """Gives every group its factor's multiple of one rate, or the rate itself."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate * (1.0 if same_for_all else group["factor"])


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """A copy of its state; torch's own holds the very tensors that the next step changes."""
    return copy.deepcopy(optimiser.state_dict())


def load_optimiser_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Continues from a state, which stays as it is and can be loaded again."""
    optimiser.load_state_dict(copy.deepcopy(state))


def set_statistics(
    model: nn.Module, statistics: Statistics, *, only_trainable: bool = False
) -> None:
    """What batch normalisation uses from now on; frozen layers can be left as they are."""
    for module in model.modules():
        if isinstance(module, BatchNorm) and (module.weight.requires_grad or not only_trainable):
            module.statistics = statistics


def set_generator(model: nn.Module, generator: torch.Generator | None) -> None:
    """What dropout and drop path draw from."""
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


def _undecayed_names(model: Segmenter) -> set[str]:
    return {
        f"encoder.{name}"
        for name, _ in model.encoder.named_parameters()
        if name.rpartition(".")[2] in model.encoder.undecayed
    }
