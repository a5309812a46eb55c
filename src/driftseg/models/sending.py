"""Sends tensors to the device without waiting for it."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(tensor: Tensor, where: torch.device | str | Tensor) -> Tensor:
    """The tensor on another device; the dtype stays.

    With ordinary memory, the host waits until the CUDA device has finished its work. With pinned
    memory it does not wait.

    Args:
        tensor: on the CPU, or already there.
        where: a device, or a tensor on it.
    """
    target = where.device if isinstance(where, Tensor) else torch.device(where)
    if target.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(target, non_blocking=True)
    return tensor.to(target)
