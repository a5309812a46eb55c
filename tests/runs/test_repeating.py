"""A run is made again, and the first difference is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from interrupted import config_of

from driftseg.errors import InputError
from driftseg.runs.repeating import repeat
from driftseg.runs.run import run


@pytest.fixture(scope="module")
def done(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(config_of("tent", tiny_checkpoint, tmp_path_factory.mktemp("done") / "runs"))


@pytest.fixture
def folder(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "run"))


def change(path: Path, line: int, **changes: object) -> None:
    """One line of a file of lines."""
    lines = path.read_text().splitlines()
    lines[line - 1] = json.dumps({**json.loads(lines[line - 1]), **changes})
    path.write_text("".join(f"{each}\n" for each in lines))


def test_no_difference(folder: Path, tmp_path: Path) -> None:
    """The repetition is kept where it is asked for, and times do not count."""
    change(folder / "frames.jsonl", 2, predict_ms=0.0)
    found = repeat(folder, tmp_path / "kept")
    assert (found.difference, found.frames, found.evaluations) == (None, 6, 16)
    assert not [told for told in found.environment if not told.startswith("git")]
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_the_first_difference(folder: Path) -> None:
    """Its file, line and column, both values, and what may be the reason."""
    losses = json.loads((folder / "frames.jsonl").read_text().splitlines()[3])["losses"]
    (name, value), *_ = losses.items()
    change(folder / "frames.jsonl", 4, losses={**losses, name: 7.5})
    change(folder / "evaluations.jsonl", 1, mean_iou=1.0)
    environment = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps({**environment, "torch": "1.0"}))
    found = repeat(folder)
    assert str(found.difference) == (
        f"frames.jsonl, line 4, losses.{name}: 7.5 in the record, {value} in the repetition"
    )
    assert any(told.startswith('torch: "1.0" then, ') for told in found.environment)


def test_a_missing_line(folder: Path) -> None:
    lines = (folder / "evaluations.jsonl").read_text().splitlines()
    (folder / "evaluations.jsonl").write_text("".join(f"{line}\n" for line in lines[:-1]))
    told = str(repeat(folder).difference)
    assert told.startswith("evaluations.jsonl, line 16: nothing in the record, {")


def test_a_part_of_a_run_is_compared_as_far_as_it_went(folder: Path) -> None:
    lines = (folder / "frames.jsonl").read_text().splitlines()
    (folder / "frames.jsonl").write_text("".join(f"{line}\n" for line in lines[:3]))
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "state": "interrupted"}))
    found = repeat(folder)
    assert (found.difference, found.frames) == (None, 3)


def test_a_camera_cannot_be_repeated(folder: Path) -> None:
    config = (folder / "config.yaml").read_text()
    start, end = config.index("target:"), config.index("evaluation:")
    camera = "target: {kind: camera, device: 0, frames: 6}\n"
    (folder / "config.yaml").write_text(config[:start] + camera + config[end:])
    with pytest.raises(InputError, match="expected a target that can be read again, got a camera"):
        repeat(folder)


def test_what_the_environment_says(done: Path) -> None:
    """What a repetition needs to know."""
    told = json.loads((done / "environment.json").read_text())
    assert told["packages"]["torch"] == told["torch"]
    assert told["kernels"]["instructions"]
    assert told["kernels"]["threads_between_operations"] >= 1
    assert {"scenes", "digest"} == set(told["data"]["target"])
    assert "git_changes" in told
