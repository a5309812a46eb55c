"""The command as a user meets it: what it prints, and the code it ends with.

Every process loads torch anew, which takes seconds. So commands are called in this one, by the
function that the installed command calls, and only a few are processes of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tiny_networks import TINY_ENCODER


def process(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    # Threads that wait must not spin: beside other work that takes many times as long.
    own = {"COLUMNS": "100", "NO_COLOR": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    environment = {**os.environ, **own}
    return subprocess.run(
        [sys.executable, "-m", "driftseg", *map(str, arguments)],
        capture_output=True, text=True, timeout=300, cwd=cwd, env=environment, check=False,
    )  # fmt: skip


def test_help_is_for_newcomers(driftseg) -> None:
    done = process("--help")
    assert done.returncode == 0
    assert "python -m driftseg" in done.stdout
    for word in (
        "demo",
        "train",
        "run",
        "evaluate",
        "report",
        "inspect",
        "info",
        "weather",
        "Start with",
    ):
        assert word in done.stdout
    commands = ("demo", "train", "run", "evaluate", "report", "inspect", "info", "data", "weather")
    for command in commands:
        assert driftseg(command, "--help").returncode == 0


def test_info(driftseg) -> None:
    done = driftseg("info")
    assert done.returncode == 0
    for word in ("driftseg", "torch", "python", "threads", "cuda"):
        assert word in done.stdout


def test_inspect(driftseg, tiny_checkpoint: Path) -> None:
    done = driftseg("inspect", tiny_checkpoint)
    assert done.returncode == 0, done.stderr
    assert TINY_ENCODER in done.stdout
    assert "bicyclist" in done.stdout


def test_evaluate_takes_configs_with_adapters(
    driftseg, tiny_run, write_config, tmp_path: Path
) -> None:
    """Untrained ones are nothing to the score; trained ones, from a file, are part of it."""
    tiny_run["schedule"] = [{"name": "clear", "frames": 2}]
    tiny_run["evaluation"]["frames"] = 1
    adapters = {"kind": "adaptformer", "width": 4}
    method = {"name": "dacs", "train": ["adapters"], "learning_rate": 1.0}
    plain = write_config(tiny_run, "plain.yaml")
    fresh = write_config({**tiny_run, "adapters": adapters, "method": method}, "fresh.yaml")
    done = driftseg("run", fresh, "--set", "keep_checkpoint=true")
    assert done.returncode == 0, done.stderr
    file = next((tmp_path / "runs").glob("*/checkpoints/adapters.safetensors"))
    scores = [driftseg("evaluate", config) for config in (plain, fresh)]
    scores.append(driftseg("evaluate", fresh, "--set", f"adapters.file={file}"))
    assert [score.returncode for score in scores] == [0, 0, 0], scores[-1].stderr
    assert scores[0].stdout == scores[1].stdout != scores[2].stdout


def test_checkpoint_takes_another_model_than_the_configs(
    driftseg, tiny_run, write_config, tmp_path: Path
) -> None:
    """`--checkpoint` is read instead of the config's, which need not even be there."""
    config = write_config({**tiny_run, "checkpoint": str(tmp_path / "none.safetensors")})
    plain = driftseg("evaluate", write_config(tiny_run, "plain.yaml"))
    taken = driftseg("evaluate", config, "--checkpoint", tiny_run["checkpoint"])
    assert (taken.returncode, taken.stdout) == (0, plain.stdout), taken.stderr


def test_a_run_is_named_after_the_checkpoint_that_it_is_given(
    driftseg, tiny_run, write_config, tmp_path: Path
) -> None:
    """Not after the source of the config, whose model it does not start from."""
    given = tiny_run["checkpoint"]
    brief = {"schedule": [{"name": "clear", "frames": 1}], "evaluation": None, "source": None}
    method = {"method": {"name": "source_only"}}
    config = write_config({**tiny_run, "source_name": "town", **brief, **method})
    for more, name in (([], Path(given).stem), (["--set", "source_name=mine"], "mine")):
        done = driftseg("run", config, "--checkpoint", given, *more)
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / "runs").glob(f"*_{name}2*"))) == 1


def test_run_evaluate_and_report(driftseg, tiny_run, write_config, tmp_path: Path) -> None:
    config = write_config(tiny_run)
    done = driftseg("run", config, "--set", "method.name=dacs", "--set", "seed=3")
    assert done.returncode == 0, done.stderr
    assert "recorded in" in done.stdout
    assert "mIoU" in done.stdout
    assert "learnt" in done.stdout
    folder = next((tmp_path / "runs").iterdir())
    assert "_s3_" in folder.name
    assert driftseg("report", folder).returncode == 0
    assert (folder / "report.html").stat().st_size > 10_000
    scored = driftseg("evaluate", config)
    assert scored.returncode == 0, scored.stderr
    assert "clear" in scored.stdout
    assert "mean, early head" in scored.stdout


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    """One frame a visit; the bundled model, three methods, one page."""
    done = process("demo", "--frames", "1", "--out", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert "open the report:" in done.stdout
    page = (tmp_path / "runs" / "report.html").read_text(encoding="utf-8")
    for word in ("source_only", "norm_statistics", "auto", "night", "way home"):
        assert word in page
    assert "in the worst weather (night)" in page
    assert len(list((tmp_path / "runs").iterdir())) == 4


def test_train(driftseg, tmp_path: Path) -> None:
    town = {"kind": "town", "seed": 1, "frames": 2, "size": [64, 64]}
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump({
        "out": str(tmp_path / "out"), "model": {"encoder": TINY_ENCODER, "head_width": 8},
        "data": town, "validation": town, "steps": 2, "early_head_steps": 1,
        "sampling": {"batch_size": 1}, "threads": 1,
    }))  # fmt: skip
    done = driftseg("train", config)
    assert done.returncode == 0, done.stderr
    assert "starting from random weights" in done.stdout
    assert "best validation mIoU" in done.stdout
    again = driftseg("train", config)
    assert again.returncode == 2
    assert "expected an unfinished training, got a finished one. To fix: set" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "gone.yaml"],
            "error: gone.yaml: expected a config file, got a path where there is none",
        ),
        (["report", "gone"], "error: gone: expected the folder of a finished run, got nothing"),
        (["inspect", "gone.pth"], "error: "),
        (
            ["run", "CONFIG", "--set", "metod=1"],
            "expected a known key, got 'metod'. To fix: rename it (did you mean 'method'?)",
        ),
        (["run", "CONFIG", "--set", "schedule.1.rain=-1"], "schedule.1.rain"),
        (
            ["run", "CONFIG", "--set", "schedule=[]"],
            "schedule: expected at least one domain, got none",
        ),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(
    arguments, message: str, driftseg, tiny_run, write_config, tmp_path: Path, monkeypatch
) -> None:
    config = write_config(tiny_run)
    monkeypatch.chdir(tmp_path)
    done = driftseg(*[config if a == "CONFIG" else a for a in arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_process_ends_as_told(tmp_path: Path) -> None:
    done = process("run", "gone.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: gone.yaml: expected a config file, got a path where there is none. To fix: check "
        "the path, or copy an example with driftseg examples --copy FOLDER\n"
    )
