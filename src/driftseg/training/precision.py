"""Checks whether a device can train in a precision."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

from driftseg.errors import InputError
from driftseg.training.recipe import Precision

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of processors that compute in bfloat16: x86 by AVX512_BF16 or AMX, ARM by BF16."""


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raises InputError for a precision that the device does not support.

    Raises:
        InputError: it is not supported; torch would emulate it, many times slower.
    """
    if precision == "float32":
        return
    if precision == "float16" and device.type != "cuda":
        raise InputError(
            f"precision: expected float32 or bfloat16 on {device.type}, got float16. To fix: set "
            "precision=float32, or train on a CUDA device"
        )
    if precision == "bfloat16" and device.type == "cpu" and not cpu_flags() & BFLOAT16_FLAGS:
        raise InputError(
            "precision: expected float32 on this CPU, which has neither AVX512_BF16 nor AMX, got "
            "bfloat16. To fix: set precision=float32, or train on a device with bfloat16"
        )
    if (
        precision == "bfloat16"
        and device.type == "cuda"
        and torch.cuda.get_device_capability(device) < (8, 0)
        and torch.version.hip is None
    ):
        raise InputError(
            f"precision: expected float32 or float16 on {torch.cuda.get_device_name(device)}, got "
            "bfloat16. To fix: set precision=float16"
        )


def cpu_flags() -> set[str]:
    """Flags of the processor as in /proc/cpuinfo; empty if unknown."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return set(value.split())
    return set()


def casting(
    precision: Precision, device: torch.device
) -> contextlib.AbstractContextManager[object]:
    """A context that computes a forward pass in this precision."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))
