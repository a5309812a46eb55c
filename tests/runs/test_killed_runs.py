"""Processes that are killed, that run out of disk, or that are asked to end."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import killed
import pytest
from interrupted import record, values_of

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.methods.table import METHODS
from driftseg.runs.lock import is_held
from driftseg.runs.record import read_run
from driftseg.runs.resuming import resume
from driftseg.runs.run import run

METHOD = "tent"
"""Quick, and moves weights."""


@pytest.fixture(scope="module")
def whole(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The record of a run that nothing ends."""
    values = values_of(METHOD, tiny_checkpoint, tmp_path_factory.mktemp("whole") / "runs")
    return record(run(check(values, RunConfig, where="test")))


def comparable(found: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """But for the folder of runs, which stands in the config."""
    return {**found, "config.yaml": other["config.yaml"]}


ENDS = {
    "at_a_frame": -signal.SIGKILL,
    "in_an_evaluation": -signal.SIGKILL,
    "half_a_checkpoint": -signal.SIGKILL,
    "before_the_rename": -signal.SIGKILL,
    "before_the_oldest_is_removed": -signal.SIGKILL,
    "between_two_files": -signal.SIGKILL,
    "no_room_for_a_checkpoint": 2,
    "no_room_for_a_line": 2,
    "ctrl_c": 130,
    "terminated": 143,
    "terminated_twice": 143,
}
"""What ends a run, and the exit code."""


@pytest.mark.parametrize("how", ENDS)
def test_nothing_recorded_is_lost(
    how: str, processes, whole, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """The folder stays, says what it is, and continues to what an undisturbed run leaves."""
    end_and_continue(METHOD, how, processes, whole, tiny_checkpoint, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name != METHOD])
def test_nothing_recorded_is_lost_by_any_method(
    method: str, processes, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Every method, ended in every way."""
    values = values_of(method, tiny_checkpoint, tmp_path / "whole")
    whole = record(run(check(values, RunConfig, where="test")))
    for how in ENDS:
        if method == "source_only" and how in ("in_an_evaluation", "no_room_for_a_checkpoint"):
            continue  # its scores are reused, and its checkpoints are small
        end_and_continue(method, how, processes, whole, tiny_checkpoint, tmp_path / how)


def end_and_continue(
    method: str, how: str, processes, whole, checkpoint: Path, place: Path
) -> None:
    values = values_of(method, checkpoint, place / "runs")
    process = killed.started(processes, killed.run_until, values, how)
    process.join()
    assert process.exitcode == ENDS[how]
    (folder,) = (place / "runs").iterdir()
    part = read_run(folder)
    assert part.state == "interrupted"
    assert len(part.frames) >= (0 if how == "half_a_checkpoint" else 1)
    if how in ("ctrl_c", "terminated"):  # the frame in progress was finished and is kept
        frames = 3 if how == "ctrl_c" else 4
        assert len(part.frames) == frames
        assert any(f"_frame_{frames}_" in path.name for path in (folder / "checkpoints").iterdir())
    resume(folder)
    assert comparable(record(folder), whole) == whole
    assert not list(folder.rglob("*.partial"))


def test_the_second_process_on_a_run_is_refused(
    processes, whole, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Until the first is gone, even if it was killed."""
    values = values_of(METHOD, tiny_checkpoint, tmp_path / "runs")
    killed.started(processes, killed.run_until, values, "at_a_frame").join()
    (folder,) = (tmp_path / "runs").iterdir()
    first = killed.started(processes, killed.resume_at, folder, 5)
    try:
        until = time.monotonic() + 60
        while len(read_run(folder).frames) < 5 or not is_held(folder):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert read_run(folder).part == "running, 5 of 6 frames"
        with pytest.raises(InputError, match="expected a run that no process works on, got one in"):
            resume(folder)
    finally:
        first.kill()
        first.join()
    assert read_run(folder).part == "interrupted, 5 of 6 frames"
    resume(folder)
    assert comparable(record(folder), whole) == whole
    parts = json.loads((folder / "status.json").read_text())["parts"]
    assert len({part["pid"] for part in parts}) == 3
