"""Two processes begin one config at the same moment with --resume: one of them runs it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import killed
import pytest
import yaml

from driftseg.errors import InputError
from driftseg.runs import lock
from driftseg.runs.lock import one_at_a_time
from driftseg.runs.record import read_run


def test_the_second_of_two_is_refused(processes, tiny_run: dict, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    schedule = [{"name": "clear", "frames": 30}]
    values = {**tiny_run, "method": {"name": "source_only"}, "source": None, "evaluation": None,
              "schedule": schedule, "pictures": 0}  # fmt: skip
    values["target"]["frames"] = 30
    config.write_text(yaml.safe_dump(values))
    place = tmp_path / "both"
    place.mkdir()
    begun = [killed.started(processes, killed.begin_together, place, n, config) for n in range(2)]
    ended = []
    for number, process in enumerate(begun):
        process.join(120)
        ended.append((process.exitcode, (place / f"{number}.txt").read_text()))
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
