"""A clock that waits for the device, for honest times where work goes on behind Python's back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch


def device_clock(device: torch.device) -> Callable[[], float]:
    """Seconds, read once everything that the device was asked to do is done.

    Work on a GPU is queued: without waiting, a step's time is the time that queueing took. Has not
    been tried on one.

    """
    wait: Callable[[], None]
    if device.type == "cuda":
        wait = partial(torch.cuda.synchronize, device)
    elif device.type == "mps":
        wait = torch.mps.synchronize
    else:
        return time.perf_counter

    def read() -> float:
        wait()
        return time.perf_counter()

    return read
