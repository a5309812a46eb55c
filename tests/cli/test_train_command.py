"""driftseg train: what it prints, and a dry run."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from driftseg.api.commands import Progress
from driftseg.cli import torchrun
from driftseg.cli.main import app
from driftseg.cli.train_watch import TrainWatch
from driftseg.errors import InputError
from driftseg.training.step import Stepper


@pytest.fixture
def config(tmp_path: Path, write_config) -> Path:
    town = {"kind": "town", "seed": 1, "frames": 2, "size": [64, 64]}
    return write_config({
        "out": str(tmp_path / "out"), "data": town,
        "model": {"encoder": "tiny_networks:TinyNet", "head_width": 8},
        "validation": town, "steps": 3, "early_head_steps": 1,
        "sampling": {"batch_size": 2}, "threads": 1,
    })  # fmt: skip


def test_a_dry_run_tells_and_keeps_nothing(config: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, ["train", str(config), "--dry-run", "--set", "accumulate=2"])
    assert done.exit_code == 0, done.exception
    for line in (
        "weights     starting from random weights", "model       tiny_networks:TinyNet, 11 classes",
        "data        2 scenes, 2 for validation",
        "batch       2 images of 64x64: processes 1, parts in each 2, images at once 1",
        "device      cpu, float32", "steps       main 3, early_head 1", "out: a new training",
        "trained     ", "estimate    ", "all is well; nothing was written",
    ):  # fmt: skip
        assert line in done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_of_what_continues(config: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["train", str(config)]).exit_code == 0
    held = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    done = CliRunner().invoke(app, ["train", str(config), "--dry-run", "--set", "steps=5"])
    assert "continues in phase main after step 3 of 5; lengthened from 3 steps" in done.output
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == held


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_folder_that_is_not_there_is_told_before_anything_is_shown(
    options: list[str], config: Path, tmp_path: Path
) -> None:
    root = f"data={{kind: camvid, root: {tmp_path / 'gone'}}}"
    done = CliRunner().invoke(app, ["train", str(config), "--set", root, *options])
    assert isinstance(done.exception, InputError)
    assert "gone: expected a folder of CamVid, got" in str(done.exception)
    assert "main" not in done.output
    assert not (tmp_path / "out").exists()


def test_an_interrupted_training_says_how_to_continue(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = Stepper.learn

    def interrupted(self, batch, number):
        os.kill(os.getpid(), signal.SIGINT)
        return learn(self, batch, number)

    monkeypatch.setattr(Stepper, "learn", interrupted)
    monkeypatch.setattr("sys.argv", ["driftseg", "train", "a b.yaml"])
    done = CliRunner().invoke(app, ["train", str(config)])
    assert done.exit_code == 130
    assert "stopping after the step in progress; once more ends at once" in done.output
    assert "interrupted in phase main after step 1 of 3; everything is kept" in done.output
    assert "\n  driftseg train 'a b.yaml'\n" in done.output
    monkeypatch.setattr(Stepper, "learn", learn)
    again = CliRunner().invoke(app, ["train", str(config)])
    assert again.exit_code == 0
    assert "continues in phase main after step 1 of 3" in again.output


def test_lines_without_a_terminal() -> None:
    """One at once, then one every ten seconds, and every validation."""
    output, now = io.StringIO(), [0.0]
    with TrainWatch(Console(file=output, width=200), clock=lambda: now[0]) as watch:
        watch.begin(None)
        for number in range(1, 31):
            now[0] += 1.0
            score = 50.0 if number == 20 else None
            watch(Progress("main", number, 100, 0.5, 1e-3, 7.0, score, 50.0))
        watch(Progress("early_head", 1, 10, 0.7, 1e-3, 7.0))
    assert output.getvalue().splitlines() == [
        "main step 1/100: loss 0.500  7.0 images/s",
        "main step 11/100: loss 0.500  7.0 images/s  89 s left",
        "main step 20: validation mIoU 50.00 % (best 50.00)",
        "main step 21/100: loss 0.500  7.0 images/s  79 s left",
        "early_head step 1/10: loss 0.700  7.0 images/s",
    ]


def test_a_terminal_shows_one_bar() -> None:
    output = io.StringIO()
    console = Console(file=output, width=100, force_terminal=True)
    with TrainWatch(console) as watch:
        watch.begin("continues in phase main after step 1 of 4")
        watch(Progress("main", 2, 4, 0.5, 1e-3, 7.0))
    assert "main step" not in output.getvalue()
    assert "2/4" in output.getvalue()


def test_commands_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["x", "train", "c.yaml"])
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert torchrun.prints()
    assert torchrun.command_again() == "driftseg train c.yaml"
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "RANK": "2", "LOCAL_RANK": "0",
                        "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert (torchrun.prints(), torchrun.tells_errors()) == (False, True)
    assert torchrun.command_again() == "torchrun --nproc-per-node 2 -m driftseg train c.yaml"
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert torchrun.command_again().startswith("torchrun, with its options as before, -m driftseg")
