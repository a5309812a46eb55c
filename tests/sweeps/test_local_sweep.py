"""Sweeps on this machine, with a real Ray."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import pytest
import yaml
from ray_sweeps import command, ended, frames_of, wait_until, write_sweep

pytest.importorskip("ray")


def rows_of(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "numbers.csv").open() as file:
        return list(csv.DictReader(file))


def statuses(sweep: Path) -> dict[str, dict]:
    found = {}
    for path in sweep.glob("runs/*/status.json"):
        found[path.parent.name] = json.loads(path.read_text())
    return found


def test_one_run_and_one_that_fails(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """A failure stops nobody, and is told at the end."""
    file = write_sweep(
        tmp_path, tiny_checkpoint,
        runs=[{"method.name": "source_only"}, {"checkpoint": "nowhere.safetensors"}],
    )  # fmt: skip
    code, text = ended(command("sweep", file, cwd=tmp_path))
    assert code == 1, text
    assert "finished source_only" in text
    assert "nowhere.safetensors" in text
    assert "1 finished, 1 failed" in text
    sweep = tmp_path / "sweeps" / "mine"
    assert [row["state"] for row in rows_of(sweep)] == ["finished", "failed"]
    assert rows_of(sweep)[0]["seed"] == "any"
    assert (sweep / "report.html").is_file()


@pytest.mark.slow
def test_a_mended_sweep_repeats_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = write_sweep(
        tmp_path, tiny_checkpoint,
        runs=[{"method.name": "source_only"}, {"checkpoint": "nowhere.safetensors"}],
    )  # fmt: skip
    code, text = ended(command("sweep", file, cwd=tmp_path))
    assert code == 1, text
    sweep = tmp_path / "sweeps" / "mine"
    (found,) = statuses(sweep)
    lines = (sweep / "runs" / found / "frames.jsonl").read_bytes()

    mended = yaml.safe_load(file.read_text())
    mended["runs"][1] = {"method.name": "norm_statistics"}
    file.write_text(yaml.safe_dump(mended))
    code, text = ended(command("sweep", file, cwd=tmp_path))
    assert code == 0, text
    assert "2 finished (1 before this command)" in text
    assert (sweep / "runs" / found / "frames.jsonl").read_bytes() == lines
    assert len(statuses(sweep)) == 2


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_run_continues(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    file = write_sweep(tmp_path, tiny_checkpoint, frames=60, grid={"seed": [0]})
    process = command("sweep", file, cwd=tmp_path)
    sweep = tmp_path / "sweeps" / "mine"
    wait_until(lambda: any(s["frames"] >= 8 for s in statuses(sweep).values()))
    (log,) = sweep.glob("logs/*.json")
    os.kill(json.loads(log.read_text())["worker"], signal.SIGKILL)
    code, text = ended(process)
    assert code == 0, text
    ((name, status),) = statuses(sweep).items()
    assert status["state"] == "finished"
    assert status["parts"][0]["from_frame"] == 0
    assert status["parts"][1]["from_frame"] >= 8

    other = tmp_path / "other"
    other.mkdir()
    alone = command("run", next(sweep.glob("configs/*.yaml")), "--set", f"out={other}",
                    cwd=tmp_path, OMP_NUM_THREADS="1")  # fmt: skip
    code, text = ended(alone)
    assert code == 0, text
    (whole,) = other.iterdir()
    assert frames_of(sweep / "runs" / name) == frames_of(whole)


@pytest.mark.slow
def test_a_killed_driver_and_the_same_command(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = write_sweep(
        tmp_path, tiny_checkpoint, frames=40,
        grid={"method.name": ["source_only", "dacs"], "seed": [0, 1]},
    )  # fmt: skip
    sweep = tmp_path / "sweeps" / "mine"
    process = command("sweep", file, cwd=tmp_path)

    def in_the_middle() -> bool:
        states = [status["state"] for status in statuses(sweep).values()]
        moving = [s["frames"] for s in statuses(sweep).values() if s["state"] == "running"]
        return "finished" in states and any(frames >= 5 for frames in moving)

    wait_until(in_the_middle)
    process.kill()
    process.communicate()
    wait_until(lambda: all(s["state"] != "running" for s in statuses(sweep).values()), 60)
    before = statuses(sweep)
    done = {name for name, status in before.items() if status["state"] == "finished"}
    lines = {name: (sweep / "runs" / name / "frames.jsonl").read_bytes() for name in done}
    assert any(status["state"] == "interrupted" for status in before.values())

    code, text = ended(command("sweep", file, cwd=tmp_path))
    assert code == 0, text
    assert f"3 finished ({len(done)} before this command)" in text
    after = statuses(sweep)
    assert len(after) == 3
    assert set(before) <= set(after)
    assert all(status["state"] == "finished" for status in after.values())
    for name in done:
        assert (sweep / "runs" / name / "frames.jsonl").read_bytes() == lines[name]
        assert len(after[name]["parts"]) == 1


@pytest.mark.slow
def test_hopeless_runs_are_stopped(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    file = write_sweep(
        tmp_path, tiny_checkpoint, frames=40,
        runs=[
            {"method": {"name": "source_only"}},
            {"method": {"name": "tent", "learning_rate": 1e-9}},
            {"method": {"name": "tent", "learning_rate": 30.0}},
        ],
        threads=os.cpu_count() or 1,  # one after another
        stop={"at_least": 2, "after_visits": 1},
    )  # fmt: skip
    code, text = ended(command("sweep", file, cwd=tmp_path))
    assert code == 0, text
    assert "2 finished, 1 stopped" in text
    assert "is below the median of 2 finished runs" in text
    code, text = ended(command("sweep", file, cwd=tmp_path))
    assert "2 finished, 1 stopped (2 before this command)" in text


@pytest.mark.slow
def test_a_killed_run_continues_until_its_retries_are_used_up(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    file = write_sweep(tmp_path, tiny_checkpoint, frames=200, grid={"seed": [0]}, retries=1)
    process = command("sweep", file, cwd=tmp_path)
    sweep = tmp_path / "sweeps" / "mine"

    def part(number: int) -> dict | None:
        for status in statuses(sweep).values():
            parts = status["parts"]
            if status["state"] == "running" and len(parts) == number:
                far = status["frames"] >= parts[-1]["from_frame"] + 3
                return parts[-1] if far else None
        return None

    for number in (1, 2):
        os.kill(wait_until(lambda n=number: part(n))["pid"], signal.SIGKILL)
    code, text = ended(process)
    assert code == 1, text
    assert "the run's process ended with code 137" in text
    assert "1 failed" in text
