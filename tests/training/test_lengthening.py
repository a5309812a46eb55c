"""Finished trainings are lengthened; interrupted ones lose no step."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from driftseg.config.reading import check
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.models.checkpoints import load_checkpoint
from driftseg.runs.train import build_training
from driftseg.training.recipe import Interrupted, Recipe, learning_rate_at
from driftseg.training.source import SourceTraining
from driftseg.training.stopping import Stopping


@pytest.fixture
def values(tmp_path: Path) -> dict:
    town = {"kind": "town", "seed": 1, "frames": 3, "every": 30, "size": [64, 48]}
    return {
        "out": str(tmp_path / "out"), "data": town, "validation": town, "threads": 1,
        "model": {"encoder": "tiny_networks:TinyNet", "head_width": 16}, "warm_up": 2,
        "train": ["head"],
        "sampling": {"batch_size": 2, "minimum_share": 0.004, "temperature": 0.1},
        "steps": 4, "early_head_steps": 2, "validate_every": 2, "learning_rate": 1e-3,
    }  # fmt: skip


def training(values: dict) -> SourceTraining:
    return build_training(check(values, TrainConfig, where="test"))[0]


def played(values: dict) -> list:
    steps: list = []
    training(values).run(steps.append)
    return steps


def weights(values: dict, name: str = "last") -> dict[str, torch.Tensor]:
    return load_checkpoint(Path(values["out"]) / f"{name}.safetensors")[0].state_dict()


def test_the_main_phase_is_lengthened(values: dict) -> None:
    """Rates follow the new length from where it continues; the early head is trained anew."""
    first = played(values)
    longer = values | {"steps": 7}
    told = training(longer).continues
    assert told.startswith("continues in phase main after step 4 of 7; lengthened from 4 steps")
    assert training(longer | {"accumulate": 2}).continues == (
        f"{told}; not exactly: batch normalisation sees 1 images at once, before 2"
    )
    second = played(longer)
    assert [(s.phase, s.step) for s in second] == [
        ("main", 5), ("main", 6), ("main", 7), ("early_head", 1), ("early_head", 2),
    ]  # fmt: skip
    recipe = Recipe(steps=7, learning_rate=1e-3, warm_up=2)
    rates = [learning_rate_at(number, 7, recipe) for number in (4, 5, 6)]
    assert [s.learning_rate for s in second[:3]] == rates
    assert second[0].learning_rate > first[3].learning_rate
    out = Path(values["out"])
    info = load_checkpoint(out / "last.safetensors")[1]
    assert info.extra["lengthened"] == ["steps from 4 to 7 at step 4"]
    assert info.extra["recipe"]["steps"] == 7
    rows = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert rows == [2, 4, 2, 6, 7, 2]
    with pytest.raises(
        InputError, match=r"got a finished one\. To fix: .* --set early_head_steps=N, N above 2$"
    ):
        training(longer)
    with pytest.raises(InputError, match=r"expected steps of at least 7, .* got 6. To fix: "):
        training(values | {"steps": 6})


def test_the_early_head_is_lengthened_alone(values: dict) -> None:
    played(values)
    before = weights(values)
    assert [(s.phase, s.step) for s in played(values | {"early_head_steps": 4})] == [
        ("early_head", 3), ("early_head", 4),
    ]  # fmt: skip
    for name, tensor in weights(values).items():
        assert torch.equal(tensor, before[name]) != name.startswith("early_head."), name


def test_a_lengthened_training_is_interrupted_like_any(values: dict, tmp_path: Path) -> None:
    """Wherever the lengthened part stops, it ends as it does in one piece."""
    played(values)
    longer = values | {"steps": 6}
    whole = longer | {"out": str(tmp_path / "whole")}
    shutil.copytree(values["out"], whole["out"])
    played(whole)
    for signals in range(2):
        with Stopping() as stop, pytest.raises(Interrupted) as found:
            training(longer).run(
                lambda step: os.kill(os.getpid(), signal.SIGTERM),
                lambda stop=stop: stop.number,
            )
        assert found.value.signal == signal.SIGTERM
        assert found.value.step == (6, 1)[signals]
    played(longer)
    for name in ("last", "best"):
        ours, theirs = weights(longer, name), weights(whole, name)
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


def test_a_signal_during_validation(values: dict, tmp_path: Path) -> None:
    """The step is kept, its validation is made when the training continues."""
    whole = values | {"out": str(tmp_path / "whole")}
    played(whole)
    asked = []

    def stop() -> int:
        asked.append(0)
        return signal.SIGINT if len(asked) >= 4 else 0  # steps 1 and 2, then a scene, then stop

    with pytest.raises(Interrupted) as found:
        training(values).run(lambda step: None, stop)
    assert found.value.step == 2
    assert not (Path(values["out"]) / "log.jsonl").exists()
    assert (Path(values["out"]) / "state.pt").is_file()
    steps = played(values)
    assert (steps[0].step, steps[0].mean_iou is not None, steps[1].step) == (2, True, 3)
    assert (Path(values["out"]) / "log.jsonl").read_text() == (
        tmp_path / "whole" / "log.jsonl"
    ).read_text()
    theirs = weights(whole)
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in weights(values).items())


def test_the_second_signal_ends_at_once() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    told = []
    with Stopping(lambda: told.append(1)) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.number, told) == (signal.SIGINT, [1])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with Stopping(patient=True) as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_folders_of_earlier_versions(values: dict) -> None:
    """They keep no state of finished phases, and their states lack what came later."""
    played(values)
    out = Path(values["out"])
    state = torch.load(out / "finished_main.pt", weights_only=True)
    for key in ("due", "loss", "lengthened", "rows", "scaler"):
        del state[key]
    (out / "finished_early_head.pt").unlink()
    (out / "finished_main.pt").unlink()
    with pytest.raises(InputError, match="got a finished one without a state to lengthen it from"):
        training(values | {"steps": 8})
    torch.save(state, out / "state.pt")
    assert training(values).continues == "continues in phase main after step 4 of 4"
    state["recipe"] = state["recipe"].replace('"weight_decay": 0.01', '"weight_decay": 0.5')
    torch.save(state, out / "state.pt")
    with pytest.raises(
        InputError, match=r"with the same settings, got other values of weight_decay\. To"
    ):
        training(values)
