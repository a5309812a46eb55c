"""Source training on a GPU in every precision beside float32, and continued."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from driftseg.config.reading import check
from driftseg.config.train import TrainConfig
from driftseg.runs.train import build_training
from driftseg.training.recipe import Interrupted

pytestmark = pytest.mark.gpu

DEVICE = os.environ.get("DRIFTSEG_DEVICE", "cuda")


def losses(out: Path, stop_at: int | None = None, **changes: object) -> list[float]:
    town = {"kind": "town", "seed": 1, "frames": 4, "every": 30, "size": [128, 96]}
    values = {
        "out": str(out), "data": town, "validation": town, "device": DEVICE,
        "model": {"encoder": "mit_b0", "head_width": 16}, "learning_rate": 1e-4, "warm_up": 2,
        "sampling": {"batch_size": 4, "minimum_share": 0.004, "temperature": 0.1},
        "steps": 6, "early_head_steps": 2, "validate_every": 3,
    } | changes  # fmt: skip
    steps: list = []
    training, _ = build_training(check(values, TrainConfig, where="test"))
    try:
        training.run(steps.append, lambda: 2 if len(steps) + 1 == stop_at else 0)
    except Interrupted:
        steps.extend([*losses_of_rest(values)])
    return [step.loss for step in steps]


def losses_of_rest(values: dict) -> list:
    steps: list = []
    build_training(check(values, TrainConfig, where="test"))[0].run(steps.append)
    return steps


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_precision(precision: str, tmp_path: Path) -> None:
    if precision == "float16" and DEVICE == "cpu":
        pytest.skip("float16 is for CUDA devices")
    exact = losses(tmp_path / "float32")
    assert losses(tmp_path / precision, precision=precision) == pytest.approx(exact, rel=0.03)
    assert losses(tmp_path / "parts", accumulate=2) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_continued_training(precision: str, tmp_path: Path) -> None:
    """Optimiser and gradient scaler come back to the device; the interrupted step is not told."""
    if precision == "float16" and DEVICE == "cpu":
        pytest.skip("float16 is for CUDA devices")
    whole = losses(tmp_path / "whole", precision=precision)
    parts = losses(tmp_path / "parts", stop_at=2, precision=precision)
    assert parts == pytest.approx(whole[:1] + whole[2:], rel=0.02)


def test_as_on_the_cpu(tmp_path: Path) -> None:
    here, there = losses(tmp_path / "here"), losses(tmp_path / "there", device="cpu")
    assert here == pytest.approx(there, rel=0.02)
    assert torch.isfinite(torch.tensor(here)).all()
