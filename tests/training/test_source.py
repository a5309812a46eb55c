"""Source training: it learns, resumes exactly, and keeps what it promised."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from driftseg.config.reading import check
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.models.checkpoints import load_checkpoint
from driftseg.runs.train import build_training
from driftseg.training.recipe import Recipe, class_weights, learning_rate_at
from tiny_networks import TINY_ENCODER

SIZE = [96, 64]


@pytest.fixture
def values(tmp_path: Path) -> dict:
    return {
        "out": str(tmp_path / "out"),
        "model": {"encoder": TINY_ENCODER, "head_width": 16},
        "data": {"kind": "town", "seed": 1, "frames": 4, "every": 30, "size": SIZE},
        "validation": {"kind": "town", "seed": 1, "frames": 4, "every": 30, "size": SIZE},
        "sampling": {"batch_size": 2, "minimum_share": 0.004, "temperature": 0.1},
        "steps": 8,
        "early_head_steps": 4,
        "validate_every": 4,
        "learning_rate": 1e-3,
        "warm_up": 2,
        "threads": 1,
    }


def training(values: dict):
    return build_training(check(values, TrainConfig, where="test"))[0]


class Stopped(Exception):
    pass


def test_learns(values: dict) -> None:
    """Forty steps on four frames: the loss falls and the score rises."""
    losses, scores = [], []

    def watch(step) -> None:
        losses.append(step.loss)
        if step.mean_iou is not None:
            scores.append(step.mean_iou)

    values["model"]["encoder"] = "mit_b0"  # stored batch statistics lag in so few steps
    values |= {"steps": 40, "validate_every": 20, "early_head_steps": 0,
               "augmentation": {"photometric": False}}  # fmt: skip
    training(values).run(watch)
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert scores[-1] > 15


def test_an_interrupted_training_goes_on_exactly(values: dict, tmp_path: Path) -> None:
    """Stopped after the first validation, and again in the early head's phase."""
    whole = training({**values, "out": str(tmp_path / "whole")})
    whole.run(lambda step: None)

    def stop_at(phase: str, number: int):
        def watch(step) -> None:
            if (step.phase, step.step) == (phase, number):
                raise Stopped

        return watch

    for watch in (stop_at("main", 6), stop_at("early_head", 4)):
        with pytest.raises(Stopped):
            training(values).run(watch)
        assert (Path(values["out"]) / "state.pt").is_file()
    training(values).run(lambda step: None)
    for name in ("best", "last"):
        one, _ = load_checkpoint(tmp_path / "whole" / f"{name}.safetensors")
        two, _ = load_checkpoint(Path(values["out"]) / f"{name}.safetensors")
        for key, tensor in one.state_dict().items():
            assert torch.equal(tensor, two.state_dict()[key]), f"{name}: {key}"
    assert not (Path(values["out"]) / "state.pt").exists()


def test_early_head_trains_alone(values: dict) -> None:
    """On the best main model, of which not a bit moves, also not in statistics of its encoder."""
    values["model"]["encoder"] = "tiny_networks:TinyNet"
    kept = {}

    def watch(step) -> None:
        if step.phase == "main" and step.mean_iou is not None and step.mean_iou == step.best:
            model, _ = load_checkpoint(Path(values["out"]) / "best.safetensors")
            kept.update(model.state_dict())

    training(values).run(watch)
    final, info = load_checkpoint(Path(values["out"]) / "best.safetensors")
    for name, tensor in final.state_dict().items():
        assert torch.equal(tensor, kept[name]) != name.startswith("early_head."), name
    assert info.extra["head"] == "both"


def test_frozen_encoder(values: dict) -> None:
    values |= {"train": ["head"], "early_head_steps": 0}
    made = training(values)
    before = {n: t.clone() for n, t in made.model.state_dict().items()}
    made.run(lambda step: None)
    moved = {n for n, t in made.model.state_dict().items() if not torch.equal(t, before[n])}
    assert moved
    assert all(name.startswith("head.") for name in moved)


def test_what_it_leaves_behind(values: dict) -> None:
    best = training(values).run(lambda step: None)
    out = Path(values["out"])
    assert {p.name for p in out.iterdir()} == {
        "best.safetensors", "best.json", "last.safetensors", "last.json", "log.jsonl",
        "config.yaml", "finished_main.pt", "finished_early_head.pt",
    }  # fmt: skip
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [(r["phase"], r["step"]) for r in rows] == [
        ("main", 4), ("main", 8), ("early_head", 4),
    ]  # fmt: skip
    _, info = load_checkpoint(out / "best.safetensors")
    assert info.extra["validation_mean_iou"] == round(best, 2)
    assert info.extra["recipe"]["steps"] == 8


def test_last_is_kept_when_nothing_may_be_chosen(values: dict) -> None:
    made = training({**values, "choose": "last", "early_head_steps": 0})
    scores = []
    best = made.run(lambda step: scores.append(step.mean_iou))
    assert best == scores[-1]


def test_finished_and_foreign_folders_are_refused(values: dict) -> None:
    with pytest.raises(Stopped):
        training(values).run(lambda step: (_ for _ in ()).throw(Stopped) if step.step > 4 else 0)
    with pytest.raises(
        InputError,
        match="expected an unfinished training with the same settings, got other values of",
    ):
        training({**values, "learning_rate": 1e-2})
    with pytest.raises(
        InputError,
        match="out: expected an unfinished training with the same "
        "settings, got other values of data, seed in",
    ):
        training({**values, "seed": 1, "data": {**values["data"], "seed": 5}})
    with pytest.raises(
        InputError,
        match="out: expected an unfinished training with the same "
        "settings, got other values of model in",
    ):
        training({**values, "model": {"encoder": TINY_ENCODER, "head_width": 8}})
    state = Path(values["out"]) / "state.pt"
    whole = state.read_bytes()
    state.write_bytes(whole[:100])
    with pytest.raises(
        InputError, match=r"state\.pt: expected .*, got a damaged file .* to start again"
    ):
        training(values)
    state.write_bytes(whole)
    training(values).run(lambda step: None)
    with pytest.raises(InputError, match=r"got a finished one\. To fix: set another out, delete"):
        training(values)


def test_unknown_encoder(values: dict) -> None:
    values["model"]["encoder"] = "mit_b9"
    with pytest.raises(
        InputError,
        match=r"model\.encoder: expected a known encoder, got "
        r"'mit_b9'.*mit_b0",
    ):
        training(values)


def test_learning_rate() -> None:
    recipe = Recipe(steps=100, learning_rate=1.0, warm_up=10, power=1.0)
    rates = [learning_rate_at(step, 100, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(0.91)
    assert rates.index(max(rates)) == 9
    assert rates[-1] == pytest.approx(0.01)


def test_class_weights() -> None:
    counts = np.array([100, 400, 0, 25])
    assert class_weights(counts, 0).tolist() == [1, 1, 1, 1]
    assert class_weights(counts, 1).tolist() == pytest.approx([1, 0.25, 1, 4])
    assert class_weights(counts, 0.5).tolist() == pytest.approx([1, 0.5, 1, 2])
