"""Source batches without a labelled pixel: their loss is 0, and they are counted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.labels import IGNORE
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from driftseg.runs.train import build_training
from layout_trees import photo, save, stripes
from tiny_networks import TINY_ENCODER


@pytest.fixture
def source(tmp_path: Path) -> dict:
    """Four scenes, one of which has labels."""
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", photo(number))
        label = stripes((0, 1, 2)) if number == 0 else np.full((64, 96), IGNORE, np.uint8)
        save(tmp_path / "ids" / f"{number}.png", label)
    return {"kind": "folder", "root": str(tmp_path / "in"), "labels": str(tmp_path / "ids")}


@pytest.mark.parametrize("early", [0, 4])
def test_training(early: int, source: dict, tmp_path: Path) -> None:
    values = {
        "out": str(tmp_path / "out"), "data": source, "validation": source, "threads": 1,
        "model": {"encoder": TINY_ENCODER, "head_width": 16, "early_head": early > 0},
        "sampling": {"batch_size": 1, "rare_classes": False}, "class_weight": 0.5,
        "steps": 8, "early_head_steps": early, "validate_every": 4,
    }  # fmt: skip
    training, _ = build_training(check(values, TrainConfig, where="test"))
    steps = []
    training.run(steps.append)
    assert len(steps) == 8 + early
    assert all(math.isfinite(step.loss) for step in steps)
    zero = [step for step in steps if step.loss == 0]
    assert 0 < len(zero) < len(steps)
    assert steps[-1].unlabelled == len(zero)
    assert all(torch.isfinite(tensor).all() for tensor in training.model.state_dict().values())
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["unlabelled_batches"] == len(zero)


def test_a_resumed_training_goes_on_counting(source: dict, tmp_path: Path) -> None:
    values = {
        "out": str(tmp_path / "out"), "data": source, "validation": source, "threads": 1,
        "model": {"encoder": TINY_ENCODER, "head_width": 16}, "steps": 8, "early_head_steps": 0,
        "sampling": {"batch_size": 1, "rare_classes": False}, "validate_every": 4,
    }  # fmt: skip
    config = check(values, TrainConfig, where="test")
    whole = []
    build_training(config)[0].run(whole.append)
    for path in (tmp_path / "out").iterdir():
        path.unlink()

    def stop(step) -> None:
        if step.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_training(config)[0].run(stop)
    again = []
    build_training(config)[0].run(again.append)
    assert again[-1].unlabelled == whole[-1].unlabelled > 0


@pytest.mark.parametrize("method", ["dacs", "replay_only", "restyled_replay"])
def test_methods(method: str, source: dict, tiny_run: dict) -> None:
    values = {
        **tiny_run, "source": source, "method": {"name": method}, "evaluation": None,
        "replay": {"capacity": 4, "rare_classes": False},
    }  # fmt: skip
    found = read_run(run(check(values, RunConfig, where="test")))
    losses = [row["losses"] for row in found.frames]
    assert all(math.isfinite(value) for row in losses for value in row.values())
    assert all(row["trained"] for row in found.frames)
    assert any(row["source"] == 0 for row in losses)
    (note,) = (n for n in found.environment["notes"] if "no labelled pixel" in n)
    if method == "dacs":
        number = sum(row["source"] == 0 for row in losses)
        assert note == f"{number} source batches held no labelled pixel; their loss is 0"
