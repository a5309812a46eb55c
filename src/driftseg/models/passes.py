"""Passes through a module of another's making: watched, cut short, and with parts left out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class Reached(BaseException):
    """A pass has come as far as it was to come. No code of a module catches it as an error."""


@contextmanager
def patched(forwards: Mapping[nn.Module, Any]) -> Iterator[None]:
    """Modules run another function for a while."""
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
    part_of: Any,
) -> Iterator[None]:
    """Notes which modules of which parts were called, and what parts put out."""
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
    """Tensors, also in plain containers; of anything else we do not know how to make a copy."""
    if type(value) in (dict, OrderedDict):
        return all(can_be_kept(one) for one in value.values())
    if type(value) in (list, tuple):
        return all(can_be_kept(one) for one in value)
    return isinstance(value, Tensor)


def copied(value: Any) -> Any:
    """What follows may change its input in place, as ``ReLU(inplace=True)`` does."""
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
