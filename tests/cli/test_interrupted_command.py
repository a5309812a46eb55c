"""What the command says of runs that are interrupted, finished, or made again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from driftseg.cli.watch import LiveWatch
from driftseg.runs.record import read_run


def small(tiny_run: dict, method: str) -> dict:
    """What is told of runs does not depend on how many frames are held out."""
    evaluation = {**tiny_run["evaluation"], "frames": 1}
    values = {**tiny_run, "source": None, "evaluation": evaluation, "pictures": 0}
    return {**values, "method": {"name": method}}


@pytest.fixture
def config(tiny_run: dict, write_config) -> Path:
    return write_config(small(tiny_run, "norm_statistics"))


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C at a frame, as often as asked for."""
    show = LiveWatch.__call__

    def at(frame: int, times: int = 1) -> None:
        def interrupted(self: LiveWatch, moment) -> None:
            show(self, moment)
            if (moment.doing, moment.frame) == ("stream", frame):
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(LiveWatch, "__call__", interrupted)

    return at


def folders(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "runs").iterdir())


def test_ctrl_c_then_resume(driftseg, config, ctrl_c, tmp_path: Path) -> None:
    """The first one ends after the frame; the command that continues is printed, and works."""
    ctrl_c(3)
    done = driftseg("run", config)
    (folder,) = folders(tmp_path)
    assert done.returncode == 130
    assert "the run ends after this frame; interrupt again to end it at once" in done.stdout
    assert f"interrupted after 3 of 6 frames, kept in {folder}" in done.stdout
    assert f"continue: driftseg resume {folder}\n" in done.stdout
    assert driftseg("report", folder).returncode == 0
    again = driftseg("resume", folder)
    assert again.returncode == 0, again.stderr
    assert f"continues {folder} after 3 frames of 6" in again.stdout
    assert read_run(folder).part is None


def test_ctrl_c_twice(driftseg, config, ctrl_c, tmp_path: Path) -> None:
    """Ends at once; run --resume finds the folder."""
    ctrl_c(3, times=2)
    done = driftseg("run", config)
    assert done.returncode == 130
    assert "ended at once" in done.stdout
    (folder,) = folders(tmp_path)
    assert read_run(folder).state == "interrupted"
    ctrl_c(99)
    again = driftseg("run", config, "--resume")
    assert again.returncode == 0, again.stderr
    assert f"continues {folder} " in again.stdout
    assert folders(tmp_path) == [folder]


def test_a_finished_run_is_not_repeated(driftseg, config, tmp_path: Path) -> None:
    """Only with --again, where something of it changes, or more is to be kept of it."""
    assert driftseg("run", config).returncode == 0
    (folder,) = folders(tmp_path)
    for more in ((), ("--resume",), ("--set", f"out={tmp_path / 'runs'}")):
        done = driftseg("run", config, *more)
        assert done.returncode == 0
        assert f"this run is finished already: {folder}" in done.stdout
    assert folders(tmp_path) == [folder]
    for count, more in enumerate((("--again",), ("--set", "seed=5"), ("--save", "labels")), 2):
        assert driftseg("run", config, *more).returncode == 0
        assert len(folders(tmp_path)) == count
    assert "finished already" in driftseg("run", config, "--save", "labels").stdout


def test_other_weights_under_the_same_name(
    driftseg, tiny_run, config, tiny_checkpoint: Path, tmp_path: Path, write_config
) -> None:
    """The config is the same, what it means is not."""
    own = tmp_path / "own.safetensors"
    own.write_bytes(tiny_checkpoint.read_bytes())
    config = write_config({**small(tiny_run, "source_only"), "checkpoint": str(own)})
    assert driftseg("run", config).returncode == 0
    from driftseg.models.checkpoints import load_checkpoint, save_checkpoint

    model, info = load_checkpoint(own)
    next(model.parameters()).data += 1
    save_checkpoint(own, model, encoder=info.encoder, head_width=info.head_width,
                    label_space=info.label_space, classes=info.classes)  # fmt: skip
    assert "finished already" not in driftseg("run", config).stdout
    assert len(folders(tmp_path)) == 2


def test_an_unfinished_run_is_told_of(driftseg, config, ctrl_c, tmp_path: Path) -> None:
    ctrl_c(3)
    driftseg("run", config)
    (folder,) = folders(tmp_path)
    ctrl_c(99)
    done = driftseg("run", config)
    assert f"{folder} holds this run, not finished (interrupted, 3 of 6 frames)" in done.stdout
    assert len(folders(tmp_path)) == 2


def test_mistakes_are_one_line(driftseg, tmp_path: Path) -> None:
    for command in ("resume", "repeat"):
        done = driftseg(command, tmp_path / "gone")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


def test_repeat(driftseg, config, tmp_path: Path) -> None:
    """Exit code 0 without a difference, 1 with one."""
    driftseg("run", config)
    (folder,) = folders(tmp_path)
    done = driftseg("repeat", folder)
    assert done.returncode == 0, done.stderr
    assert "no difference in 6 frames and 16 lines of evaluations, times aside" in done.stdout
    path = folder / "frames.jsonl"
    path.write_text(path.read_text().replace('"index": 3', '"index": 4'))
    done = driftseg("repeat", folder)
    assert done.returncode == 1
    told = "first difference: frames.jsonl, line 4, index: 4 in the record, 3 in the repetition"
    assert told in done.stdout
    assert folders(tmp_path) == [folder]
