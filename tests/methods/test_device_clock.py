"""Times are read after the device has done what it was asked to."""

from __future__ import annotations

import time

import pytest
import torch

from driftseg.methods.device_clock import device_clock


def test_nothing_is_waited_for_on_a_cpu() -> None:
    assert device_clock(torch.device("cpu")) is time.perf_counter


def test_cuda_is_waited_for_before_every_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a stand-in for the device, whose queue takes 20 ms."""
    waited: list[torch.device] = []

    def synchronize(device: torch.device) -> None:
        waited.append(device)
        time.sleep(0.02)

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    read = device_clock(torch.device("cuda", 1))
    started = time.perf_counter()
    assert read() >= started + 0.02
    read()
    assert waited == [torch.device("cuda", 1)] * 2
