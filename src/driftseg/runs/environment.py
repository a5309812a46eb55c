"""The environment of a run, for its repetition."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

import driftseg
from driftseg.weather.render import RENDERER

PACKAGES = (
    "torch", "numpy", "opencv-python-headless", "opencv-python", "pillow", "pydantic",
    "safetensors", "river", "transformers", "timm", "segmentation-models-pytorch", "av",
)  # fmt: skip
"""Packages whose versions are recorded if they are installed."""
VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE",
)  # fmt: skip
"""Environment variables that change results or speed."""


def environment(
    *,
    device: str,
    digest: str,
    checkpoint: str,
    notes: Sequence[str],
    data: Mapping[str, Mapping[str, Any]] | None = None,
    adapters: Path | None = None,
) -> dict[str, Any]:
    """Versions, machine, git state, weights, data and notes.

    Args:
        device: of the run.
        digest: of the source model's weights.
        checkpoint: source of the weights.
        notes: for the reader.
        data: digests of every dataset section.
        adapters: file of adapters, if there is one.
    """
    told: dict[str, Any] = {
        "driftseg": driftseg.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "packages": _versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "threads": torch.get_num_threads(),
        "kernels": kernels(device),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "git": git_revision(),
        "git_changes": _git_changes(),
        "renderer": RENDERER,
        "checkpoint": checkpoint,
        "weights_digest": digest,
        "data": dict(data or {}),
        "notes": list(notes),
    }
    if adapters is not None:
        told["adapters_digest"] = file_digest(adapters)
    return told


def kernels(device: str) -> dict[str, Any]:
    """The library for matrix products; another library rounds differently."""
    told = torch.__config__.show()
    found: dict[str, Any] = {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "blas": _first(r"BLAS_INFO=(\w+)", told),
        "mkl": _first(r"(?:oneAPI )?Math Kernel Library Version ([\w.]+)", told),
        "onednn": _first(r"(?:MKL-DNN|oneDNN) v([\w.]+)", told),
        "openmp": _first(r"OpenMP (\w+)", told),
        "threads_between_operations": torch.get_num_interop_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }  # fmt: skip
    if torch.device(device).type == "cuda":
        found |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "tf32": torch.backends.cuda.matmul.allow_tf32,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        }
    return found


def file_digest(path: Path) -> str:
    """Twelve hexadecimal digits of a file's contents; ``none`` without a file."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    except OSError:
        return "none"
    return found.hexdigest()[:12]


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    return _first(r"model name\s*: (.+)", told) or platform.processor()


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return None if found is None else found.group(1)


@functools.cache
def git_revision() -> str | None:
    """Git state of the running code, if a repository tracks it.

    It is asked for once in a process: code that changes later is not the code that runs.
    """
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None  # installed inside another project's repository
    return _git("describe", "--always", "--dirty", "--abbrev=12")


@functools.cache
def _git_changes() -> str | None:
    """A digest of uncommitted changes; None if there are none."""
    if git_revision() is None:
        return None
    changes = _git("diff", "HEAD", "--", ".")
    return None if not changes else hashlib.sha256(changes.encode()).hexdigest()[:12]


def _git(*arguments: str) -> str | None:
    """Output of git in the package's folder; None if git fails or is missing."""
    command = ["git", "-C", str(Path(__file__).parents[1]), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
