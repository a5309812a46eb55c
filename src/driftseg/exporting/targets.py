"""Targets of an export, and their files."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from driftseg.errors import InputError

Target = Literal["onnx", "openvino", "torch_export", "huggingface"]
"""onnx: one .onnx file. openvino: .xml and .bin in one folder. torch_export: one .pt2 file, for
torch.export.load. huggingface: a folder, for transformers."""
TARGETS: tuple[Target, ...] = get_args(Target)
SUFFIXES: dict[Target, str] = {
    "onnx": ".onnx", "openvino": ".xml", "torch_export": ".pt2", "huggingface": "",
}  # fmt: skip
"""Suffixes of targets; a folder has none."""
FILES = (".onnx", ".xml", ".pt2", ".safetensors", ".bin", ".json", ".pth", ".pt")
"""Suffixes that mean a file, not a folder."""


def find_target(name: str) -> Target:
    """A target by its name.

    Raises:
        InputError: there is no such target.
    """
    for target in TARGETS:
        if target == name:
            return target
    raise InputError(
        f"to: expected one of {', '.join(TARGETS)}, got {name!r}. To fix: take one of these"
    )


def find_out(out: Path | None, target: Target, stem: str) -> Path:
    """The file or folder to write; it does not exist yet.

    Args:
        out: as given; None takes one named by ``stem`` in the current folder.
        target: of the export.
        stem: name of the model.

    Raises:
        InputError: it has another suffix, or it exists.
    """
    suffix = SUFFIXES[target]
    if out is None:
        out = Path(f"{stem}{suffix}" if suffix else f"{stem}_{target}")
    if suffix and out.suffix != suffix:
        raise InputError(
            f"out: expected a file that ends in {suffix} for {target}, got {out}. To fix: name the "
            "file so"
        )
    if not suffix and out.suffix in FILES:
        raise InputError(
            f"out: expected a folder for {target}, got the file {out}. To fix: name a folder"
        )
    for path in written(out, target):
        if path.exists():
            raise InputError(
                f"out: expected a path where there is no file, got {path}. To fix: name "
                "another, or remove it first"
            )
    return out


def written(out: Path, target: Target) -> list[Path]:
    """All files, or the folder, of a target's export; the named path is last."""
    return [out.with_suffix(".bin"), out] if target == "openvino" else [out]


@contextmanager
def whole(out: Path, target: Target) -> Iterator[Path]:
    """A temporary path beside ``out``; it is renamed to ``out`` on success, otherwise removed.

    Raises:
        InputError: the folder that holds ``out`` cannot be written to.
    """
    folder = out.parent / f".{out.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.partial"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"out: expected a folder that can be written to, got {out.parent} ({error.strerror}). "
            "To fix: choose another folder"
        ) from error
    try:
        inside = folder / out.name
        yield inside
        for path in written(out, target):
            (folder / path.name).rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
