"""Progress, the stop rule, files on their way, and missing libraries; without Ray."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.lock import RunLock
from driftseg.runs.record import config_hash
from driftseg.runs.run import run
from driftseg.sweeps import extras
from driftseg.sweeps.driving import Driver
from driftseg.sweeps.engine import _check_address
from driftseg.sweeps.outcome import distinct
from driftseg.sweeps.places import find_run
from driftseg.sweeps.progress import RunProgress
from driftseg.sweeps.settings import EngineSettings, StopSettings
from driftseg.sweeps.stopping import StopRule
from driftseg.sweeps.syncing import Store, frames_of, pack, stamps_of, unpack


def line(visit: int, right: int, whole: int) -> str:
    return json.dumps({"visit": visit, "labelled": True, "intersection": [right], "union": [whole]})


@pytest.fixture
def growing(tmp_path: Path):
    """A run's folder that a test lets grow, and what looks at it."""
    config = {"seed": 0}
    folder = tmp_path / f"x_{config_hash(config)}"
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 0\nout: elsewhere\n")

    def write(*lines: str, state: str = "running", half: str = "") -> None:
        (folder / "frames.jsonl").write_text("".join(f"{each}\n" for each in lines) + half)
        status = {"state": state, "frames": len(lines), "total": 4, "parts": [{}]}
        (folder / "status.json").write_text(json.dumps(status))

    return write, RunProgress(tmp_path, config)


def test_progress_reads_what_is_new(growing) -> None:
    write, progress = growing
    write(line(0, 1, 2), half='{"vis')
    progress.look()
    assert (progress.frames, progress.total, progress.visits) == (1, 4, 0)
    assert progress.mean_iou == pytest.approx(50)
    write(line(0, 1, 2), line(1, 2, 2))
    progress.look()
    assert (progress.frames, progress.visits) == (2, 1)
    assert progress.at_visits == [pytest.approx(50)]
    assert progress.mean_iou == pytest.approx(75)
    write(line(0, 1, 2), line(1, 2, 2), line(1, 2, 2), line(1, 2, 2), state="finished")
    progress.look()
    assert progress.at_visits == [pytest.approx(50), pytest.approx(87.5)]


def test_progress_follows_lines_that_are_taken_back(growing) -> None:
    write, progress = growing
    write(line(0, 1, 2), line(1, 0, 2), line(1, 0, 2))
    progress.look()
    write(line(0, 1, 2))
    progress.look()
    assert progress.frames == 1
    assert progress.mean_iou == pytest.approx(50)
    assert progress.at_visits == []


def test_a_run_is_found_by_its_config(growing, tmp_path: Path) -> None:
    growing[0](line(0, 1, 2))
    assert find_run(tmp_path, {"seed": 0, "out": "anywhere"}) is not None
    assert find_run(tmp_path, {"seed": 1}) is None


@pytest.fixture
def config(tiny_run: dict) -> RunConfig:
    return check(tiny_run, RunConfig, where="config")


@pytest.mark.parametrize("pruner", ["median", "percentile"])
def test_the_stop_rule_compares_with_finished_runs(config: RunConfig, pruner: str) -> None:
    pytest.importorskip("optuna")
    rule = StopRule(StopSettings(pruner=pruner, at_least=3, after_visits=2, percentile=30))
    for number, score in enumerate((40.0, 50.0, 60.0)):
        assert rule.verdict("bad", config, [1.0]) is None
        rule.finished(f"good{number}", config, [score, score])
    assert rule.verdict("bad", config, [1.0]) is None
    assert "2 finished" not in (told := str(rule.verdict("bad", config, [1.0, 2.0])))
    assert "stopped after visit 2: its best running mIoU, 2.0 %" in told
    assert "of 3 finished runs" in told
    assert rule.verdict("fine", config, [55.0, 55.0]) is None
    middle = rule.verdict("middle", config, [47.0, 47.0])
    assert (middle is not None) is (pruner == "median")  # 30 % of the way from 40 to 60 is 46


def test_runs_of_other_streams_are_not_compared(config: RunConfig) -> None:
    pytest.importorskip("optuna")
    rule = StopRule(StopSettings(at_least=1))
    rule.finished("good", config, [60.0])
    other = config.model_copy(update={"severity": 3.0})
    assert rule.verdict("bad", other, [1.0]) is None
    assert rule.verdict("bad too", config, [1.0]) is not None


def test_files_come_back_as_they_are(tmp_path: Path) -> None:
    """What changed is taken, what has gone is removed, the status is written last."""
    here, there = tmp_path / "here", Store(str(tmp_path / "there"))
    (tmp_path / "there" / "logs").mkdir(parents=True)
    (here / "checkpoints").mkdir(parents=True)
    for name in ("frames.jsonl", "status.json", "checkpoints/1.st", "checkpoints/2.st", ".lock",
                 ".status.json.1.partial"):  # fmt: skip
        (here / name).write_text('{"frames": 3, "state": "running"}')
    stamps = stamps_of(here)
    assert list(stamps)[-1] == "frames.jsonl"
    assert not [name for name in stamps if "lock" in name or "partial" in name]
    there.take("run", pack(here, [*stamps]), [*stamps], {"a.txt": b"told"})
    run = tmp_path / "there" / "runs" / "run"
    assert {*stamps_of(run)} == {*stamps}
    assert frames_of(run) == 3
    (here / "checkpoints" / "1.st").unlink()
    there.take("run", {}, [*stamps_of(here)], {})
    assert not (run / "checkpoints" / "1.st").exists()
    unpack(tmp_path / "third", there.files("run"))
    assert {*stamps_of(tmp_path / "third")} == {*stamps_of(here)}
    assert (tmp_path / "there" / "logs" / "a.txt").read_bytes() == b"told"


@pytest.mark.parametrize(("name", "extra"), [("ray", "sweep"), ("optuna", "tune")])
def test_a_missing_library_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    known = importlib.import_module

    def without(module: str, *rest: object) -> object:
        if module == name:
            raise ImportError(f"No module named {name!r}")
        return known(module, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(InputError) as error:
        getattr(extras, name)()
    assert f"pip install 'driftseg[{extra}]'" in str(error.value)


@pytest.mark.parametrize("address", ["10.0.0.5", "localhost:", "127.0.0.1:1"])
def test_an_address_without_a_cluster_is_one_line(address: str) -> None:
    started = time.monotonic()
    with pytest.raises(InputError, match="--address"):
        _check_address(address)
    assert time.monotonic() - started < 10


def test_label_free_numbers_change_nothing_else(tiny_run: dict, tmp_path: Path) -> None:
    """The record is the same with and without them."""
    source = {"kind": "town", "seed": 5, "frames": 2, "every": 9, "size": [96, 64]}
    tiny_run |= {"method": {"name": "dacs"}, "evaluation": None, "pictures": 0}
    plain = run(check(tiny_run, RunConfig, where="x"))
    told = {"source": source, "frames": 3, "views": 1}
    measured = run(check({**tiny_run, "label_free": told}, RunConfig, where="x"))
    assert not (plain / "label_free.json").exists()
    found = json.loads((measured / "label_free.json").read_text())
    assert 0 < found["agreement"] <= 100
    assert 0 <= found["source_mean_iou"] <= 100
    assert found["source_frames"] == 2

    def lines(folder: Path) -> list[dict]:
        rows = [json.loads(each) for each in (folder / "frames.jsonl").read_text().splitlines()]
        return [{k: v for k, v in row.items() if not k.endswith("_ms")} for row in rows]

    assert lines(plain) == lines(measured)
    again = run(check({**tiny_run, "label_free": told, "out": str(tmp_path / "b")}, RunConfig,
                      where="x"))  # fmt: skip
    assert json.loads((again / "label_free.json").read_text()) == found


def test_label_free_needs_labelled_source_frames(tiny_run: dict) -> None:
    with pytest.raises(InputError, match=r"label_free\.source"):
        check({**tiny_run, "label_free": {}}, RunConfig, where="x")


def test_a_run_ends_with_the_process_that_holds_its_stdin(
    tiny_run: dict, tmp_path: Path, write_config
) -> None:
    """The frame in progress is finished, and a checkpoint is written."""
    tiny_run |= {"evaluation": None, "schedule": [{"name": "clear", "frames": 400}]}
    places = [str(Path(extras.__file__).parents[2]), os.environ["PYTHONPATH"]]
    process = subprocess.Popen(
        [sys.executable, "-m", "driftseg.sweeps.process", str(write_config(tiny_run))],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )  # fmt: skip
    status = {}
    until = time.monotonic() + 120
    while time.monotonic() < until and status.get("frames", 0) < 2:
        time.sleep(0.2)
        found = [*Path(tiny_run["out"]).glob("*/status.json")]
        status = json.loads(found[0].read_text()) if found else {}
    process.stdin.close()
    assert process.wait(60) == 143
    (path,) = Path(tiny_run["out"]).glob("*/status.json")
    status = json.loads(path.read_text())
    assert status["state"] == "interrupted"
    assert any((path.parent / "checkpoints").glob(f"*_frame_{status['frames']}_*"))


def test_two_commands_cannot_work_on_one_sweep(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    lock = RunLock(tmp_path)
    driver = Driver(
        tmp_path, EngineSettings(), address=None, stop=None, show=lambda rows: None,
        tell=lambda line: None,
    )  # fmt: skip
    with pytest.raises(InputError, match="expected a sweep that no process works on"), driver:
        raise AssertionError
    lock.release(remove=True)
    with driver:
        assert driver.open == 0


def test_a_run_on_a_gpu_needs_one_in_the_file(tmp_path: Path, config: RunConfig) -> None:
    pytest.importorskip("ray")
    driver = Driver(
        tmp_path, EngineSettings(), address=None, stop=None, show=lambda rows: None,
        tell=lambda line: None,
    )  # fmt: skip
    row = driver.add("key", "dacs", config.model_copy(update={"device": "cuda"}))
    with pytest.raises(InputError, match=r"expected resources\.gpus for device cuda, got 0"):
        driver.submit(row)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "b"], ["a_1", "a_2", "b"]),
        (["Rain", "rain"], ["Rain_1", "rain_2"]),
        (["a", "a", "a_1"], ["a_1_1", "a_2", "a_1"]),
        ([], []),
    ],
)
def test_reports_of_two_worlds_never_share_a_file(names, wanted) -> None:
    assert distinct(names, "_") == wanted
