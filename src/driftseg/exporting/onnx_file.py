"""ONNX: writes a graph, and runs one in onnxruntime."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.export import ExportedProgram

from driftseg.errors import InputError
from driftseg.exporting.extras import needed
from driftseg.exporting.facts import INPUT, OUTPUT
from driftseg.exporting.program import quiet

Floats = npt.NDArray[np.float32]
AXES = {INPUT: ("batch", None, "height", "width"),
        OUTPUT: ("batch", None, "logits_height", "logits_width")}  # fmt: skip
PREFIX = "driftseg."
"""Prefix of our facts in a file's metadata."""


def write_onnx(program: ExportedProgram, path: Path, facts: Mapping[str, str]) -> None:
    """Writes one file, with its weights.

    Raises:
        InputError: an operator has no counterpart in ONNX; the text names its layer.
    """
    onnx = needed("onnx", "onnxscript")
    try:
        with quiet(), _unlogged():
            made = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
            )
    except Exception as error:  # the exporter raises many kinds of errors
        raise InputError(_untranslated(program, error)) from error
    assert made is not None
    model = made.model_proto
    _clean(model)
    for name, text in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = f"{PREFIX}{name}", text
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def read_onnx_facts(path: Path) -> dict[str, str]:
    """Our facts in a file's metadata; empty if there are none.

    Raises:
        InputError: it cannot be read, or onnx is not installed.
    """
    onnx = needed("onnx")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's own errors
        raise InputError(
            f"{path}: expected a readable ONNX file, got another. To fix: export or copy it again"
        ) from error
    return {
        entry.key.removeprefix(PREFIX): entry.value
        for entry in model.metadata_props
        if entry.key.startswith(PREFIX)
    }


class OnnxRuntime:
    """A graph in onnxruntime, on the CPU.

    Args:
        path: an ONNX file.
        threads: it may use.
    """

    def __init__(self, path: Path, threads: int):
        runtime = needed("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # errors are raised
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own exceptions
            raise InputError(
                f"{path}: expected a file that onnxruntime can run, got an error "
                f"({str(error).splitlines()[0][:200]}). To fix: export or copy it again"
            ) from error

    def __call__(self, images: Floats) -> Floats:
        """(B, 3, H, W) of 0 to 255 to logits (B, C, h, w)."""
        found = self._session.run([OUTPUT], {INPUT: images})[0]
        return np.asarray(found, dtype=np.float32)


def _clean(model: Any) -> None:
    """Removes data on the machine that made it, and names the axes."""
    graph = model.graph
    every = [*graph.node, *graph.input, *graph.output, *graph.initializer, graph]
    functions = [node for function in model.functions for node in function.node]
    for one in [*every, *functions, *model.functions]:
        del one.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        for dim, name in zip(dims, AXES[value.name], strict=True):
            if name is not None and not dim.HasField("dim_value"):
                dim.dim_param = name


_NODE = re.compile(
    r"Error when translating node %(?P<name>\w+).*?call_function\[target=(?P<op>[\w.]+)\]"
    r"\(args = \((%(?P<given>\w+))?"
)
"""The exporter's message: the node, its operator, and its input node."""


def _untranslated(program: ExportedProgram, error: BaseException) -> str:
    """One line on the operator that has no counterpart, and on its layer.

    The exporter first splits operators into simpler ones. A new node is found by its input.
    """
    each: BaseException | None = error
    while each is not None:
        match = _NODE.search(str(each))
        if match is not None and str(each).startswith("Error when"):
            nodes = {node.name: node for node in program.graph.nodes}
            given = nodes.get(match["given"] or "")
            node = nodes.get(match["name"]) or next(iter(given.users if given else ()), None)
            operator = match["op"].removeprefix("torch.ops.")
            return (
                f"expected a model of operators that ONNX has, got {operator}{_layer(node)}. To "
                "fix: write that layer in other operators, or take torch_export"
            )
        each = each.__cause__ or each.__context__
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return (
        f"expected a model that can be exported to ONNX, got an error ({first.strip()[:300]}). To "
        "fix: take torch_export"
    )


def _layer(node: Any) -> str:
    """``, in layer decoder.block (Block)`` of a node; empty if unknown."""
    stack = [*(node.meta.get("nn_module_stack") or {}).values()] if node is not None else []
    if not stack:
        return ""
    where, kind = stack[-1]
    name = str(where).removeprefix("network").removeprefix(".") or "the model itself"
    return f", in layer {name} ({str(kind).rpartition('.')[2]})"


@contextmanager
def _unlogged() -> Iterator[None]:
    """Suppresses the exporter's log messages on simplification."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
