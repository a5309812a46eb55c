"""Wraps any `torch.nn.Module` from images to logits as a network that roles can share.

The module's code is unknown. Our norms replace its norms, with the same keys, so running statistics
belong to roles. Its dropout draws from a generator. ``parts`` names submodules as parts for
selection and freezing. Parts that are called once in a pass can also be shared: a part that is
equal for all roles is computed once per image, and the passes of other roles reuse its output.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from driftseg.errors import InputError, commas
from driftseg.models.encoders.sites import silent_values
from driftseg.models.foreign import Output, adopt, calling, dropouts_of, logits_of
from driftseg.models.network import Head, Overlay, Walk
from driftseg.models.passes import Reached, copied, find_upstream, patched

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
WHOLE, REST = "network", "rest"
"""Names of the part for the whole module, and of the part for the rest."""


class WrappedNetwork:
    """The network contract (`driftseg.models.network.Network`) for a module; made by `wrap`.

    It has one level, its logits.

    Args:
        module: adopted (`driftseg.models.foreign.adopt`).
        named: names of submodules that are parts; disjoint.
        head: the part that is the head, if there is one.
        output: where the logits are in the module's output.
        ignored: outputs without a class.
        mean: of images, RGB in [0, 1]; it is subtracted from images.
        deviation: images are divided by it.
        probe: images (1, 3, H, W) that the module accepts.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        named: Sequence[str],
        head: str | None,
        output: Output,
        ignored: Sequence[int],
        mean: Sequence[float],
        deviation: Sequence[float],
        probe: Tensor,
    ):
        self.module = module
        self._named = tuple(named)
        self._head = head
        self._output = output
        device = next(module.parameters()).device
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(deviation, device=device).view(1, 3, 1, 1)
        with torch.no_grad():
            outputs = self._run(self.start(probe.to(device)).x, {}).shape[1]
        if outputs < 2:
            raise InputError(
                f"output: expected an output for each of at least two classes, got {outputs}. To "
                "fix: give a model of one class two logits, such as torch.cat([-x, x], dim=1)"
            )
        wrong = sorted(set(ignored) - set(range(outputs)))
        if wrong:
            raise InputError(
                f"ignored outputs: expected numbers from 0 to {outputs - 1}, got "
                f"{commas(wrong)}. To fix: take some of these"
            )
        if {*range(outputs)} <= {*ignored}:
            raise InputError(
                "ignored outputs: expected at least one output that stays, got all. To fix: "
                "leave out those that are classes"
            )
        self._kept = [index for index in range(outputs) if index not in {*ignored}]
        self._whole = len(self._kept) == outputs
        self.classes = len(self._kept)
        self.undecayed: frozenset[str] = frozenset()
        self._upstream = find_upstream(
            module, self.start(probe.to(device)).x, self._named, self._part_of, self._run
        )
        self.order = tuple(self._upstream)

    @property
    def parts(self) -> Mapping[str, Sequence[str]]:
        """The named parts and the rest of the module."""
        names = [name for name, _ in self.module.named_parameters()]
        if not self._named:
            return {WHOLE: names}
        parts: dict[str, list[str]] = {part: [] for part in (*self._named, REST)}
        for name in names:
            parts[self._part_of(name)].append(name)
        return {part: members for part, members in parts.items() if members}

    def _part_of(self, name: str) -> str:
        inside = (part for part in self._named if f"{name}.".startswith(f"{part}."))
        return next(inside, REST if self._named else WHOLE)

    @property
    def heads(self) -> Mapping[Head, str | None]:
        """Only the main head."""
        return {"main": self._head}

    def upstream(self, part: str) -> frozenset[str]:
        """As found by an observed pass through the module."""
        return self._upstream[part]

    def start(self, images: Tensor) -> Walk:
        """Normalises images (B, 3, H, W)."""
        return Walk((images - self._mean.to(images.device)) / self._deviation.to(images.device))

    def prefix(self, walk: Walk, count: int) -> Walk:
        """Computes the first ``count`` parts and keeps their outputs."""
        wanted = self.order[:count]
        if not wanted:
            return walk
        kept: dict[str, Any] = {}
        with self._recording(wanted, kept), suppress(Reached):
            self.module(walk.x)
        return Walk(walk.x, kept=kept)

    def levels(self, walk: Walk, overlay: Overlay, depth: int | None = None) -> tuple[Tensor, ...]:
        """The logits, (B, C, h, w)."""
        with self._replaced(walk.kept):
            return (self._classes_of(self._run(walk.x, overlay)),)

    def logits(self, levels: Sequence[Tensor], overlay: Overlay, head: Head = "main") -> Tensor:
        """The only level."""
        if head != "main":
            raise ValueError(
                "expected a model with an early head, got a wrapped module. To fix: use a method "
                "without a drift signal"
            )
        return levels[0]

    def training_modules(self, part: str) -> Sequence[nn.Module]:
        """Its dropout layers; the module itself stays in eval mode."""
        return [m for name, m in dropouts_of(self.module) if self._part_of(name) == part]

    def silent(self) -> dict[str, Tensor]:
        """Zeros for the last layer of every adapter."""
        return silent_values(self.module)

    def _run(self, x: Tensor, overlay: Overlay) -> Tensor:
        with calling(self.module, x, "bring images to a size that the model takes"):
            found = functional_call(self.module, dict(overlay), (x,)) if overlay else self.module(x)
        return logits_of(found, self._output, batch=x.shape[0])

    def _classes_of(self, logits: Tensor) -> Tensor:
        return logits if self._whole else logits[:, self._kept]

    @contextmanager
    def _recording(self, parts: Sequence[str], kept: dict[str, Any]) -> Iterator[None]:
        """Keeps the outputs of parts; the pass ends after the last of them."""

        def record(part: str, forward: Any) -> Any:
            def recorded(*given: Any, **named: Any) -> Any:
                output = forward(*given, **named)
                kept[part] = copied(output)
                if len(kept) == len(parts):
                    raise Reached
                return output

            return recorded

        modules = {part: self.module.get_submodule(part) for part in parts}
        with patched({m: record(part, m.forward) for part, m in modules.items()}):
            yield

    @contextmanager
    def _replaced(self, kept: Mapping[str, Any]) -> Iterator[None]:
        """Parts return their kept outputs."""

        def give(value: Any) -> Any:
            return lambda *given, **named: copied(value)

        with patched({self.module.get_submodule(p): give(value) for p, value in kept.items()}):
            yield


def wrap(
    module: nn.Module,
    *,
    parts: Sequence[str] = (),
    head: str | None = None,
    output: Output = None,
    ignored: Sequence[int] = (),
    mean: Sequence[float] = IMAGENET_MEAN,
    deviation: Sequence[float] = IMAGENET_DEVIATION,
    size: tuple[int, int] = (128, 128),
) -> WrappedNetwork:
    """A network for roles from any module that maps images to logits.

    The module itself is used, not a copy: it is put into eval mode, our layers replace its norms
    and dropout layers, and learning changes its weights.

    Args:
        module: called with (B, 3, H, W), it returns logits (B, C, h, w): a tensor, an object with
            ``.logits``, or a dict with ``out`` or ``logits``.
        parts: names of submodules in the order in which they run: ``encoder.layer1``. Everything
            else is the part ``rest``; without names, the whole module is one part, ``network``.
        head: the name in ``parts`` that is the head and learns faster.
        output: key, attribute, position or function that finds the logits in the output.
        ignored: outputs without a class; they are never predicted.
        mean: of RGB in [0, 1] that the module expects; default of ImageNet.
        deviation: of RGB that the module expects; default of ImageNet.
        size: (height, width) of an image that the module accepts, for a trial.

    Raises:
        InputError: the module cannot be adapted; the text says why and what to do.
    """
    if not isinstance(module, nn.Module):
        raise InputError(
            f"expected a torch.nn.Module, got {type(module).__name__}. To fix: give a module"
        )
    if not any(p.is_floating_point() for p in module.parameters()):
        raise InputError(
            f"{type(module).__name__}: expected a module with weights, got one without. To fix: "
            "give a module that can learn"
        )
    parts = [parts] if isinstance(parts, str) else [*parts]
    _check_parts(module, parts, head)
    for name, numbers, many in (("mean", mean, 3), ("deviation", deviation, 3), ("size", size, 2)):
        if not isinstance(numbers, Sequence | np.ndarray | Tensor) or len(numbers) != many:
            raise InputError(
                f"{name}: expected {many} numbers, got {numbers!r}. To fix: give such a sequence"
            )
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((1, 3, *size), generator=generator)
    adopt(module, images, output, mean=mean, deviation=deviation)
    return WrappedNetwork(
        module, named=parts, head=head, output=output, ignored=ignored, mean=mean,
        deviation=deviation, probe=images,
    )  # fmt: skip


def _check_parts(module: nn.Module, parts: Sequence[str], head: str | None) -> None:
    known = [name for name, _ in module.named_modules() if name]
    for number, part in enumerate(parts):
        if part not in known:
            near = difflib.get_close_matches(str(part), known, n=3, cutoff=0.4)
            hint = f"close to it: {near}" if near else f"it begins with {known[:5]}"
            raise InputError(f"parts: expected modules of the model, got {part!r}. To fix: {hint}")
        for other in parts[number + 1 :]:
            if f"{part}.".startswith(f"{other}.") or f"{other}.".startswith(f"{part}."):
                raise InputError(
                    f"parts: expected disjoint modules, got {part} and {other}, which overlap. "
                    "To fix: leave out one of them"
                )
        if not any(True for _ in module.get_submodule(part).parameters()):
            raise InputError(
                f"parts: expected modules with weights, got {part}. To fix: name modules that have "
                "some"
            )
        if part in (WHOLE, REST):
            raise InputError(
                f"parts: expected names of your own, got {part!r}, a word of driftseg. To fix: "
                "name its submodules"
            )
    if head is not None and head not in parts:
        raise InputError(
            f"head: expected one of the parts {commas(parts)}, got {head!r}. To fix: add it to "
            "parts"
        )
