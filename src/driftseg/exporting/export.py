"""One export: a graph, a file, and a comparison of both outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from driftseg.errors import InputError
from driftseg.exporting.facts import Facts
from driftseg.exporting.huggingface import expressible, loaded, write_folder
from driftseg.exporting.onnx_file import Floats, OnnxRuntime, write_onnx
from driftseg.exporting.openvino_file import OpenVino, write_openvino
from driftseg.exporting.parity import Runs, check_parity, probes
from driftseg.exporting.program import MULTIPLES, Deployed, quiet, size_multiple, sizes, trace
from driftseg.exporting.targets import Target, whole
from driftseg.models.network import Network

FACTS_FILE = "driftseg.json"
"""Name of our facts in a .pt2 file."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    """The file, or the folder."""
    target: Target
    bytes: int
    """Size of all files in bytes."""
    difference: float
    """The largest difference of logits from torch, relative to the largest logit."""
    notes: tuple[str, ...] = ()
    """Notes on the export."""


def export_graph(
    network: Network,
    target: Target,
    out: Path,
    *,
    facts_for: Callable[[int, tuple[int, int]], Facts],
    size: tuple[int, int] | None,
    generator: torch.Generator,
) -> Exported:
    """Writes a network's graph after comparing its outputs with the network's.

    Args:
        network: a separate copy, on the CPU, in eval mode.
        target: any but ``huggingface``.
        out: the file; must not exist.
        facts_for: makes the file's facts from the multiple of sizes and a (height, width).
        size: the only (height, width) of the graph; None allows all sizes.
        generator: draws the images for the comparison.

    Raises:
        InputError: the network cannot be exported, or the written file has other outputs.
    """
    deployed = Deployed(network).eval().requires_grad_(False)
    for tensor in (*deployed.parameters(), *deployed.buffers()):
        tensor.data = tensor.data.contiguous()  # .pt2 files keep no other memory layout
    multiple = size_multiple(deployed) if size is None else 1
    served = sizes(multiple) if size is None else [size]
    with torch.no_grad():
        images = torch.rand((2, 3, *served[-1]), generator=generator) * 255
        deployed(images)  # reports a wrong size, and fills the network's caches
    program = trace(deployed, served[-1], fixed=size is not None, images=images)
    if size is None:
        multiple, served = _right_for(program, deployed, multiple, generator)
    facts = facts_for(multiple, served[-1]).texts()
    with whole(out, target) as partial:
        runs = _write(program, target, partial, facts)
        worst = check_parity(target, runs, deployed, probes(served, generator))
        del runs
        total = sum(path.stat().st_size for path in partial.parent.iterdir() if path.is_file())
    return Exported(out, target, total, worst)


def export_folder(
    network: Network,
    out: Path,
    *,
    classes: Sequence[str],
    came: Mapping[str, Any],
    made: Mapping[str, str],
    generator: torch.Generator,
) -> Exported:
    """Writes a Hugging Face folder after comparing outputs of transformers with the network's.

    Args:
        network: a separate copy, on the CPU, in eval mode.
        out: the folder; must not exist.
        classes: names in id order.
        came: settings of the Hugging Face folder of the model (`write_folder`).
        made: facts for the model card.
        generator: draws the images for the comparison.

    Raises:
        InputError: the network is not a SegFormer, transformers is not installed, or it has other
            outputs.
    """
    segmenter, encoder = expressible(network)
    with whole(out, "huggingface") as partial:
        write_folder(partial, segmenter, encoder, classes=classes, came=came, made=made)
        runs = loaded(partial, segmenter)
        worst = check_parity(
            "transformers", runs, Deployed(segmenter).eval(), probes(sizes(1), generator)
        )
        total = sum(path.stat().st_size for path in partial.iterdir())
    early = segmenter.early_head is not None
    return Exported(out, "huggingface", total, worst, (EARLY_HEAD,) if early else ())


EARLY_HEAD = "the early head is left out: transformers' SegFormer has none"


def _right_for(
    program: ExportedProgram, deployed: Deployed, least: int, generator: torch.Generator
) -> tuple[int, list[tuple[int, int]]]:
    """The smallest multiple for whose sizes the graph is correct, and those sizes.

    A module may use another code path for other sizes, which the graph does not have.

    Raises:
        InputError: there is none; the text is that of the first multiple.
    """
    with quiet():
        runs = _runs(program)
    first: InputError | None = None
    for multiple in MULTIPLES[MULTIPLES.index(least) :]:
        try:
            check_parity("torch.export", runs, deployed, probes(sizes(multiple), generator))
        except InputError as error:
            first = first or error
        else:
            return multiple, sizes(multiple)
    assert first is not None
    raise first


def _write(program: ExportedProgram, target: Target, path: Path, facts: dict[str, str]) -> Runs:
    """Writes the file and opens it to run it."""
    if target == "torch_export":
        torch.export.save(program, path, extra_files={FACTS_FILE: json.dumps(facts)})
        with quiet():
            return _runs(torch.export.load(path))
    if target == "onnx":
        write_onnx(program, path, facts)
        return OnnxRuntime(path, torch.get_num_threads())
    graph = path.with_suffix(".onnx")
    write_onnx(program, graph, facts)
    write_openvino(graph, path, facts)
    graph.unlink()
    return OpenVino(path, torch.get_num_threads())


def _runs(program: ExportedProgram) -> Runs:
    module = program.module()

    def runs(images: Floats) -> Floats:
        with torch.no_grad():
            found: Tensor = module(torch.from_numpy(images))
        return np.asarray(found.numpy(), dtype=np.float32)

    return runs


def check_size(size: tuple[int, int] | None) -> None:
    """Raises InputError unless the value is (width, height).

    Raises:
        InputError: it is not.
    """
    if size is not None and (
        len(size) != 2 or any(type(side) is not int or side < 1 for side in size)
    ):
        raise InputError(
            f"size: expected (width, height) in pixels, got {size!r}. To fix: give for example "
            "size=(480, 360)"
        )
