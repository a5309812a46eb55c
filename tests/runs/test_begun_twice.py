"""Two processes begin one config at the same moment with --resume: one of them runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

import driftseg
from driftseg.errors import InputError
from driftseg.runs import lock
from driftseg.runs.lock import one_at_a_time
from driftseg.runs.record import read_run

SOURCE = os.pathsep.join([str(Path(driftseg.__file__).parents[1]), str(Path(__file__).parents[1])])
COMMAND = """
import sys, time
from pathlib import Path
from driftseg.cli.main import entry
from driftseg.runs import run

build, place, number = run.build, Path(sys.argv[1]), sys.argv[2]

def together(config):
    '''Both have looked for a run, and found none.'''
    parts = build(config)
    (place / number).touch()
    while len(list(place.iterdir())) < 2:
        time.sleep(0.001)
    return parts

run.build = together
sys.argv = ["driftseg", "run", sys.argv[3], "--resume"]
entry()
"""


def begin(place: Path, number: int, config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(place), str(number), str(config)],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE, "NO_COLOR": "1"},
    )  # fmt: skip


def test_the_second_of_two_is_refused(tiny_run: dict, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    schedule = [{"name": "clear", "frames": 30}]
    values = {**tiny_run, "method": {"name": "source_only"}, "source": None, "schedule": schedule}
    values["target"]["frames"] = 30
    config.write_text(yaml.safe_dump(values))
    place = tmp_path / "both"
    place.mkdir()
    processes = [begin(place, number, config) for number in range(2)]
    ended = []
    for process in processes:
        _, told = process.communicate(timeout=120)
        ended.append((process.returncode, told))
    (code, nothing), (refused, line) = sorted(ended)
    assert (code, nothing) == (0, "")
    assert refused == 2
    (folder,) = (tmp_path / "runs").iterdir()
    assert line.count("\n") == 1
    assert f"{folder}: expected no other process that begins this run, got one" in line
    assert "To fix: wait until it ends, then give the same command again." in line
    assert read_run(folder).state == "finished"
    assert len(read_run(folder).frames) == 30


def test_one_is_inside_at_a_time(tmp_path: Path) -> None:
    """The file goes away with each of them, and comes again; nobody holds one that is gone."""
    path, inside, most = tmp_path / ".begins", [], []

    def enter(number: int) -> None:
        for _ in range(20):
            with one_at_a_time(path):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(4)))
    assert (max(most), len(most)) == (1, 80)
    assert not path.exists()


def test_who_is_inside_for_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LONGEST", 0.05)
    path = tmp_path / ".begins"
    with (
        one_at_a_time(path),
        pytest.raises(InputError, match="expected a file that nobody holds for long"),
        one_at_a_time(path),
    ):
        pass
    assert not path.exists()
