"""Sweeps and tuning as calls of Python, with a real Ray in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ray_sweeps import SOURCE, write_sweep

import driftseg
from driftseg.errors import InputError
from tiny_runs import SIZE


def python(code: str, folder: Path) -> str:
    """What a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=240,
        env={**os.environ, "PYTHONPATH": SOURCE}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_large_libraries_are_loaded_when_they_are_needed(tmp_path: Path) -> None:
    """Neither by sweeps nor by runs and their trackers, in Python and in the command."""
    code = (
        "import sys, driftseg; driftseg.sweep, driftseg.tune; "
        "import driftseg.api.sweeps, driftseg.cli.main, driftseg.config.run, driftseg.runs.run; "
        "print(*({'ray', 'optuna', 'tensorboard', 'wandb', 'mlflow'} & set(sys.modules)))"
    )
    assert python(code, tmp_path).strip() == ""


def test_mistakes_are_one_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = write_sweep(tmp_path, tiny_checkpoint, gird={"seed": [0]})
    with pytest.raises(InputError, match="did you mean 'grid'"):
        driftseg.sweep(file)
    with pytest.raises(InputError, match="expected"):
        driftseg.tune(file)
    assert not list(tmp_path.glob("*/"))


@pytest.mark.slow
def test_a_sweep(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    runs = [{"method.name": "source_only"}, {"checkpoint": "nowhere.safetensors"}]
    write_sweep(tmp_path, tiny_checkpoint, frames=1, runs=runs)
    code = """
import driftseg
looks = []
done = driftseg.sweep("mine.yaml", out="made", show=lambda runs: looks.append(len(runs)))
assert set(looks) == {2}
assert [run.state for run in done.rows] == ["finished", "failed"]
assert [run.label for run in done.failed] == [done.rows[1].label]
assert "nowhere.safetensors" in done.failed[0].reason
assert done.numbers.is_file() and done.report.is_file()
assert [run.frames for run in driftseg.find_runs("made")] == [2]
again = driftseg.sweep("mine.yaml", out="made")
assert [run.known for run in again.rows] == [True, False]
print("as expected")
"""
    assert python(code, tmp_path).splitlines()[-1] == "as expected"


@pytest.mark.slow
def test_a_tuning(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    pytest.importorskip("optuna")
    write_sweep(tmp_path, tiny_checkpoint, frames=1)
    search = {"method.learning_rate": {"low": 1e-5, "high": 1e-4}}
    values = {
        "base": "base.yaml", "schedule": {"preset": "fog", "frames": 1}, "trials": 1,
        "methods": {"tent": {"search": search}},
        "label_free": {"source": {"kind": "town", "seed": 5, "frames": 1, "size": SIZE}},
    }  # fmt: skip
    (tmp_path / "tuning.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    code = """
import driftseg
done = driftseg.tune("tuning.yaml", out="study")
assert not done.failed and done.trials == {"tent": 1}
assert [(each.method, each.rule) for each in done.choices] == [
    ("tent", "oracle"), ("tent", "label_free"),
]
assert all(1e-5 <= each.values["method.learning_rate"] <= 1e-4 for each in done.choices)
assert done.numbers.is_file()
run = driftseg.run(done.choices[0].config)
assert [each.path for each in driftseg.find_runs(run)] == [run]
print("as expected")
"""
    assert python(code, tmp_path).splitlines()[-1] == "as expected"
