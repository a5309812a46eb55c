"""Runs exported models: the runtime for a file, and the file's facts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from driftseg.errors import InputError
from driftseg.exporting.facts import Facts, read_facts
from driftseg.exporting.onnx_file import OnnxRuntime, read_onnx_facts
from driftseg.exporting.openvino_file import OpenVino, read_openvino_facts
from driftseg.exporting.parity import Runs

Backend = Literal["onnxruntime", "openvino"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
TAKES: dict[str, tuple[Backend, ...]] = {
    ".onnx": ("onnxruntime", "openvino"),
    ".xml": ("openvino",),
}
"""Suffixes of files that can be run, and their backends; the first is the default."""


def is_exported(source: object) -> bool:
    """Whether a value names an exported file."""
    return isinstance(source, str | Path) and Path(source).suffix in (*TAKES, ".pt2")


def find_backend(path: Path, name: str | None) -> Backend:
    """The backend that runs a file.

    Raises:
        InputError: there is no such backend, or it cannot run such a file.
    """
    if path.suffix == ".pt2":
        raise InputError(
            f"{path}: expected an .onnx or .xml file, which driftseg runs, got another. To fix: "
            "load this one by torch.export.load, or give the checkpoint that it was made from"
        )
    takes = TAKES.get(path.suffix)
    if takes is None:
        raise InputError(
            f"backend: expected an exported model, .onnx or .xml, for {name}, got {path}. To fix: "
            "make one by driftseg export"
        )
    if name is None:
        return takes[0]
    for backend in takes:
        if backend == name:
            return backend
    if name in BACKENDS:
        raise InputError(
            f"backend: expected one of {', '.join(takes)} for {path}, got {name}. To fix: take one "
            "of these"
        )
    raise InputError(
        f"backend: expected one of {', '.join(BACKENDS)}, got {name!r}. To fix: take one of these"
    )


def open_exported(path: Path, backend: Backend, *, threads: int) -> tuple[Runs, Facts]:
    """The backend that runs a file, and the file's facts.

    Raises:
        InputError: the file is missing, damaged, or not of driftseg; or a library is missing.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: expected an exported model, got a path where there is none. To fix: make it "
            "by driftseg export"
        )
    texts = read_onnx_facts(path) if path.suffix == ".onnx" else read_openvino_facts(path)
    facts = read_facts(str(path), texts)
    runs = (OnnxRuntime if backend == "onnxruntime" else OpenVino)(path, threads)
    return runs, facts
