"""A network as a torch.export program: one graph for every batch and every size."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config

from driftseg.errors import InputError
from driftseg.exporting.facts import INPUT
from driftseg.models.network import Network, device_of

_CONFIG: Any = _config
MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
"""Multiples of height and width that are tried."""
_ASSUMES = re.compile(r"inferred a static shape|specialized it to be a constant")
"""Message of torch.export if a graph would allow only one size or batch."""
LEAST = (230, 290)
"""(height, width) for the export. Above 224, a Swin has more than one window on its last map, so no
dimension is fixed to one."""


class Deployed(nn.Module):
    """The exported model: raw pixels in, logits out.

    Args:
        network: a separate copy, in eval mode.
    """

    def __init__(self, network: Network):
        super().__init__()
        self._network = network
        self.network = network.module

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), RGB, 0 to 255, to logits (B, C, h, w)."""
        walk = self._network.start(images / 255)
        return self._network.logits(self._network.levels(walk, {}), {})


def size_multiple(deployed: Deployed) -> int:
    """The number of which height and width must be multiples, found by trial.

    Raises:
        InputError: the network runs at none of the tried sizes.
    """
    error: Exception | None = None
    for multiple in MULTIPLES:
        try:
            with torch.no_grad():
                deployed(torch.zeros((1, 3, *sizes(multiple)[0]), device=_device(deployed)))
        except Exception as reason:  # a user's module may raise anything
            error = reason
        else:
            return multiple
    raise InputError(
        f"expected a size at which the model runs, got none up to {sizes(MULTIPLES[-1])[0]} "
        f"(height, width) ({_first_line(error)}). To fix: name one by size=(width, height), "
        "--size WIDTHxHEIGHT"
    )


def sizes(multiple: int) -> list[tuple[int, int]]:
    """(height, width) for the comparison of a graph; the graph is made at the last one.

    Odd and even numbers of multiples; wide, high and square.
    """
    odd = [_up(side, multiple) for side in (97, 131)]
    odd = [side if side // multiple % 2 else side + multiple for side in odd]
    rest = ((96, 64), (128, 128), LEAST)
    even = [(_up(high, 2 * multiple), _up(wide, 2 * multiple)) for high, wide in rest]
    return [(odd[0], odd[1]), *even]


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def trace(
    deployed: Deployed, size: tuple[int, int], *, fixed: bool, images: Tensor
) -> ExportedProgram:
    """The graph.

    Args:
        deployed: the model; it has run before, so its caches are filled.
        size: (height, width), for errors.
        fixed: whether the graph allows only that size; the batch is always free.
        images: (2, 3, height, width) to trace with.

    Raises:
        InputError: a layer cannot be exported; the text names it and says why.
    """
    free = {0: Dim.DYNAMIC} if fixed else {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    try:
        # without it a batch of one, or a map of one window, would become a constant
        with torch.no_grad(), _CONFIG.patch(backed_size_oblivious=True), quiet():
            program = torch.export.export(
                deployed, (images,), dynamic_shapes={INPUT: free}, strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,
            )  # fmt: skip
    except Exception as error:  # torch.export raises what the module, or torch itself, raises
        cause = _deepest(error)
        where = layer_of(deployed, error)
        if "specialized" in str(cause) and not fixed:
            told = f"size={size[1], size[0]}, --size {size[1]}x{size[0]}"
            raise InputError(
                "expected a model that can be exported for every size, got one that takes the size "
                f"for a constant{where} ({_first_line(cause)}). To fix: export it for one size, "
                f"as in {told}"
            ) from error
        raise InputError(
            f"expected a model that can be exported, got an error{where}: {_first_line(cause)}. To "
            "fix: write that layer without decisions that depend on pixels, in operators that "
            "torch.export knows"
        ) from error
    _drop_asserts(program)
    return program


def _drop_asserts(program: ExportedProgram) -> None:
    """Removes torch's assumptions on sizes; most are on memory layouts, which change no value.

    They would refuse valid sizes. Afterwards the graph is compared at other sizes than that of the
    export (`driftseg.exporting.parity`).
    """
    graph = program.graph
    for node in [*graph.nodes]:
        if node.target is torch.ops.aten._assert_scalar.default:
            graph.erase_node(node)
    graph.eliminate_dead_code()
    program.graph_module.recompile()


def layer_of(module: nn.Module, error: BaseException) -> str:
    """``, in layer encoder.conv1 (Conv2d)`` for the place of an error; empty if unknown."""
    names = {id(one): name for name, one in module.named_modules()}
    found = None
    for each in _chain(error):
        frame = each.__traceback__
        while frame is not None:
            me = frame.tb_frame.f_locals.get("self")
            if isinstance(me, nn.Module) and names.get(id(me)):
                found = me
            frame = frame.tb_next
    if found is None:
        return ""
    name = names[id(found)].removeprefix("network").removeprefix(".")
    return f", in layer {name or 'the model itself'} ({type(found).__name__})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _deepest(error: BaseException) -> BaseException:
    """The first error of a chain."""
    *_, last = [each for each in _chain(error) if each.__cause__ is None]
    return last if error.__cause__ is not None else error


def _first_line(error: BaseException | None) -> str:
    """The first line of an error, and the next if the first only announces a list."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    return told[:300] or type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses warnings, logs and prints of exporters, which do not help users.

    If an export fails, torch also prints the graph. Our error has the relevant part.
    """
    shapes = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = shapes.level
    with warnings.catch_warnings(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        shapes.setLevel(logging.ERROR)
        for module in ("copyreg", r"torch\..*", r"onnxscript\..*", r"onnx_ir\..*"):
            for kind in (FutureWarning, DeprecationWarning, UserWarning):
                warnings.filterwarnings("ignore", category=kind, module=module)
        try:
            yield
        finally:
            shapes.setLevel(level)


def _device(deployed: Deployed) -> torch.device:
    return device_of(deployed._network)
