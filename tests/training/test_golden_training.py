"""One process trains as it always has: draws, losses and scores are pinned numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftseg.config.reading import check
from driftseg.config.train import TrainConfig
from driftseg.replay.replay import Replay
from driftseg.runs.train import build_training

DRAWS = [(199718, 0.464057), (269497, 0.401007), (193349, 0.40717), (108914, 0.429875),
         (300447, 0.35153), (222083, 0.461103)]  # fmt: skip
"""Sum of the labels and mean of the images of every batch, in the weather of renderer 2."""
LOSSES = {
    "mit_b0": [2.394171, 2.361866, 2.324226, 2.288037, 2.398983, 2.377002],
    "efficientnet_lite0": [2.402316, 2.380537, 2.347491, 2.312191, 2.403907, 2.378647],
}
BEST = {"mit_b0": 12.333, "efficientnet_lite0": 12.133}


@pytest.mark.parametrize("encoder", LOSSES)
def test_one_process(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    town = {"kind": "town", "seed": 1, "frames": 4, "every": 30, "size": [64, 48]}
    values = {
        "out": str(tmp_path / "out"), "data": town, "validation": town, "threads": 1,
        "model": {"encoder": encoder, "head_width": 16}, "class_weight": 0.5,
        "augmentation": {"scale": [0.8, 1.5],
                         "weather": {"kinds": ["rain", "visibility"], "camera": "town"}},
        "sampling": {"batch_size": 4, "minimum_share": 0.004, "temperature": 0.1},
        "steps": 4, "early_head_steps": 2, "validate_every": 2, "learning_rate": 1e-3,
        "warm_up": 2,
    }  # fmt: skip
    draws, drawn = [], Replay.sample

    def sample(self, **how):
        batch = drawn(self, **how)
        draws.append((int(batch.labels.sum()), float(batch.images.mean())))
        return batch

    monkeypatch.setattr(Replay, "sample", sample)
    steps = []
    best = build_training(check(values, TrainConfig, where="test"))[0].run(steps.append)
    assert [labels for labels, _ in draws] == [labels for labels, _ in DRAWS]
    assert [image for _, image in draws] == pytest.approx([m for _, m in DRAWS], abs=1e-4)
    assert [step.loss for step in steps] == pytest.approx(LOSSES[encoder], rel=1e-4)
    assert best == pytest.approx(BEST[encoder], abs=0.5)
