"""Passes through a foreign module: observed, ended early, or with reused outputs of parts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

PartOf = Callable[[str], str]
"""The part of a parameter or module, by its name."""
Run = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
"""One complete pass with some parameters replaced."""


class Reached(BaseException):
    """Ends a pass early. It is not an Exception, so code of a module does not catch it."""


@contextmanager
def patched(forwards: Mapping[nn.Module, Any]) -> Iterator[None]:
    """Replaces the forward function of modules temporarily."""
    before = {module: module.__dict__.get("forward") for module in forwards}
    try:
        for module, forward in forwards.items():
            module.__dict__["forward"] = forward
        yield
    finally:
        for module, forward in before.items():
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = forward


@contextmanager
def watched(
    module: nn.Module,
    begun: set[str],
    called: set[str],
    named: Sequence[str],
    calls: dict[str, int],
    outputs: list[tuple[str, Any, frozenset[str]]],
    part_of: PartOf,
) -> Iterator[None]:
    """Records the called modules of each part and the outputs of parts."""
    handles = []

    def enter(name: str) -> Any:
        def note(*_: Any) -> None:
            called.add(name)
            begun.add(part_of(f"{name}.x" if name else "x"))

        return note

    def leave(name: str) -> Any:
        def note(_: nn.Module, __: Any, output: Any) -> None:
            calls[name] += 1
            outputs.append((name, output, frozenset(begun)))

        return note

    for name, one in module.named_modules():
        if next(one.parameters(recurse=False), None) is not None:
            handles.append(one.register_forward_pre_hook(enter(name)))
        if name in named:
            handles.append(one.register_forward_hook(leave(name)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def can_be_kept(value: Any) -> bool:
    """Whether a value can be copied: tensors, also in plain containers."""
    if type(value) in (dict, OrderedDict):
        return all(can_be_kept(one) for one in value.values())
    if type(value) in (list, tuple):
        return all(can_be_kept(one) for one in value)
    return isinstance(value, Tensor)


def copied(value: Any) -> Any:
    """Copies tensors, because later layers may work in place, such as ``ReLU(inplace=True)``."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return type(value)((key, copied(one)) for key, one in value.items())
    if isinstance(value, list | tuple):
        return type(value)([copied(one) for one in value])
    return value


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in plain containers."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_in(one)


def find_upstream(
    module: nn.Module,
    x: Tensor,
    named: Sequence[str],
    part_of: PartOf,
    run: Run,
) -> dict[str, frozenset[str]]:
    """The parts on which a part's output depends, for each part called exactly once in a pass.

    It uses autograd's graph and the order of module calls. If parameters of a module are used
    without calling it, no part can be walked, to be safe.
    """
    if not named:
        return {}
    calls: dict[str, int] = dict.fromkeys(named, 0)
    begun: set[str] = set()
    called: set[str] = set()
    outputs: list[tuple[str, Any, frozenset[str]]] = []
    with watched(module, begun, called, named, calls, outputs, part_of):
        previous = {p: p.requires_grad for p in module.parameters()}
        for parameter in previous:
            parameter.requires_grad_(parameter.is_floating_point())
        try:
            module(x)
            parameters = dict(module.named_parameters())
            odd = {part for part, output, _ in outputs if not can_be_kept(output)}
            found = {
                part: seen | _grown_from(output, parameters, part_of)
                for part, output, seen in outputs
            }
        finally:
            for parameter, before in previous.items():
                parameter.requires_grad_(before)
    quiet = [name for name in parameters if name.rpartition(".")[0] not in called]
    hidden = _hidden(module, x, quiet, part_of, run)
    return {
        part: frozenset(seen | {part} | hidden)
        for part, seen in found.items()
        if calls[part] == 1 and part not in odd and not hidden
    }


@torch.no_grad()
def _hidden(
    module: nn.Module, x: Tensor, names: Sequence[str], part_of: PartOf, run: Run
) -> frozenset[str]:
    """The parts of parameters that affect the output although their modules are not called.

    Autograd shows how most of them are used; for the others the time of use is unknown.
    """
    parameters = dict(module.named_parameters())
    if not names:
        return frozenset()
    whole = run(x, {})
    changed = run(x, {name: parameters[name] + 1 for name in names})
    if torch.equal(whole, changed):
        return frozenset()
    return frozenset(part_of(name) for name in names)


def _grown_from(output: Any, parameters: Mapping[str, nn.Parameter], part_of: PartOf) -> set[str]:
    """The parts whose parameters have a gradient from a part's output."""
    tensors = [t for t in tensors_in(output) if t.requires_grad]
    if not tensors:
        return set()
    total = torch.stack([t.float().sum() for t in tensors]).sum()
    gradients = torch.autograd.grad(
        total, [*parameters.values()], retain_graph=True, allow_unused=True
    )
    return {
        part_of(name)
        for name, gradient in zip(parameters, gradients, strict=True)
        if gradient is not None
    }
