"""What there is of a run that did not come to its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from whole_runs import play

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.lock import RunLock
from driftseg.runs.loop import Moment
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from driftseg.runs.writing import new_record


def test_a_crash_keeps_what_was_recorded(tiny_run) -> None:
    def fall(moment: Moment) -> None:
        if moment.doing == "stream" and moment.frame == 3:
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        run(check(tiny_run, RunConfig, where="test"), fall)
    (folder,) = Path(tiny_run["out"]).iterdir()
    found = read_run(folder)
    assert (found.state, found.part) == ("interrupted", "interrupted, 3 of 6 frames")
    assert len(found.evaluations) == 8  # before the first frame, and after the first visit


def test_unfinished_runs_are_parts_of_runs(tmp_path: Path) -> None:
    schedule = [{"domain": "a", "frames": 2}]
    writer = new_record(tmp_path, "x", config={}, environment={}, schedule=schedule, classes=["a"],
                        label_space="s", home="a")  # fmt: skip
    assert read_run(writer.folder).part == "running, 0 of 2 frames"
    writer.frame({"index": 0})
    with (writer.folder / "frames.jsonl").open("a") as file:
        file.write('{"index": 1, "half')
    assert len(read_run(writer.folder).frames) == 1
    with (writer.folder / "frames.jsonl").open("a") as file:
        file.write("\0\0\n")  # as a power cut may leave
    found = read_run(writer.folder)
    assert ([*found.frames], found.part) == ([{"index": 0}], "running, 1 of 2 frames")
    with pytest.raises(InputError, match="expected a run that no process works on"):
        RunLock(writer.folder)
    writer.interrupt("test")
    assert read_run(writer.folder).part == "interrupted, 1 of 2 frames"
    (writer.folder / "frames.jsonl").unlink()
    with pytest.raises(
        InputError,
        match="expected the folder of a finished run, got a folder "
        r"without frames\.jsonl.*driftseg",
    ):
        read_run(writer.folder)
    half = tmp_path / "y.partial"
    half.mkdir()
    with pytest.raises(InputError, match="expected a finished run, got one that was interrupted"):
        read_run(half)


def test_finished_runs_need_no_status(tiny_run) -> None:
    """As runs had none before they could be continued."""
    done = play(tiny_run, method={"name": "source_only"})
    (done.path / "status.json").unlink()
    assert read_run(done.path).part is None
