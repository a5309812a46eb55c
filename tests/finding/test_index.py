"""The index never changes an answer, whatever happens to it or to the folders."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import driftseg
from driftseg.errors import InputError
from driftseg.finding import index as index_module
from driftseg.finding.index import FILE, Index
from driftseg.finding.search import search
from driftseg.runs.lock import RunLock
from driftseg.runs.remarks import Remarks, write_remarks
from written_runs import status_of, write_run

LONG_AGO = 1_700_000_000


class Changes:
    """A folder of runs that is changed, with times of change that do not depend on the clock."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.time = LONG_AGO
        self.made = 0

    def runs(self) -> list[Path]:
        return sorted(path.parent for path in self.folder.rglob("config.yaml"))

    def age(self, place: Path) -> None:
        self.time += 1
        for path in (place, *place.rglob("*")):
            os.utime(path, (self.time, self.time))

    def add(self, where: int) -> None:
        self.made += 1
        out = self.folder / ("", "sweep", "deep/er")[where % 3]
        method, seed = ("dacs", "tent")[where % 2], self.made
        run = write_run(out, method=method, seed=seed, score=40.0 + where)
        self.age(run)

    def change(self, which: int, what: int) -> None:
        """Of the same length, for the time of change must be enough."""
        if not self.runs():
            return
        run = self.runs()[which % len(self.runs())]
        if what % 4 == 0:
            file = run / "evaluations.jsonl"
            file.write_text(file.read_text().replace("4", "5", 3))
        elif what % 4 == 1:
            write_remarks(run, Remarks((f"tag{which}",), ("a note",)))
        elif what % 4 == 2:
            (run / "status.json").write_text(status_of("interrupted", which, 6))
        else:
            (run / "schedule.json").write_text("{damaged")
        self.age(run)

    def remove(self, which: int) -> None:
        if self.runs():
            shutil.rmtree(self.runs()[which % len(self.runs())])

    def rename(self, which: int) -> None:
        if self.runs():
            run = self.runs()[which % len(self.runs())]
            self.made += 1
            run.rename(run.with_name(f"renamed{self.made}"))

    def damage(self, place: int, value: int) -> None:
        file = self.folder / FILE
        if file.is_file() and file.stat().st_size:
            data = bytearray(file.read_bytes())
            data[place % len(data)] ^= 1 + value % 255
            file.write_bytes(data)

    def cut(self, place: int) -> None:
        file = self.folder / FILE
        if file.is_file():
            file.write_bytes(file.read_bytes()[: place % (file.stat().st_size + 1)])

    def lose(self, _: int) -> None:
        (self.folder / FILE).unlink(missing_ok=True)


NAMES = ("add", "add", "change", "change", "remove", "rename", "damage", "cut", "lose")
OPERATIONS = st.tuples(st.sampled_from(NAMES), st.integers(0, 2**31), st.integers(0, 2**31))


@given(st.lists(OPERATIONS, min_size=1, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_index_answers_as_the_folders_do(operations: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as made:
        changes = Changes(Path(made))
        changes.add(0)
        for name, first, second in operations:
            both = name in ("change", "damage")
            getattr(changes, name)(*(first, second)[: 2 if both else 1])
            try:
                truth = search(changes.folder, index=False)
            except InputError:  # all runs are removed
                continue
            found = search(changes.folder)
            assert (found.runs, found.everyone) == (truth.runs, truth.everyone)


def test_only_what_has_changed_is_read(tmp_path: Path) -> None:
    changes = Changes(tmp_path)
    for number in range(5):
        changes.add(number)
    assert search(tmp_path).read == 5
    assert search(tmp_path).read == 0
    changes.change(2, 0)
    changes.add(1)
    assert search(tmp_path).read == 2
    changes.rename(0)
    assert search(tmp_path).read == 1
    changes.lose(0)
    assert search(tmp_path).read == 6
    with sqlite3.connect(tmp_path / FILE) as file:
        assert file.execute("SELECT count(*) FROM runs").fetchone() == (6,)
    file.close()


def test_runs_that_change_now_are_read_again(tmp_path: Path) -> None:
    """A file can change twice within one tick of the clock; a killed process changes none."""
    run = write_run(tmp_path)
    assert search(tmp_path).read == 1
    assert search(tmp_path).read == 1
    Changes(tmp_path).age(run)
    assert (search(tmp_path).read, search(tmp_path).read) == (1, 0)
    (run / "status.json").write_text(status_of("running", 1, 6))
    Changes(tmp_path).age(run)
    lock = RunLock(run)
    assert (search(tmp_path).read, search(tmp_path).read) == (1, 1)
    assert search(tmp_path).runs[0].state == "running"
    lock.release()
    assert search(tmp_path).runs[0].state == "interrupted"
    assert search(tmp_path).read == 0


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = Changes(tmp_path)
    for number in range(3):
        changes.add(number)
    plain = Index._open

    def refuse(self: Index, mode: str) -> sqlite3.Connection:
        if mode == "rwc":
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return plain(self, mode)

    with monkeypatch.context() as patch:
        patch.setattr(Index, "_open", refuse)
        first, second = search(tmp_path), search(tmp_path)
        assert (first.read, second.read) == (3, 3)
        assert second.index_problem == "attempt to write a readonly database"
        assert not (tmp_path / FILE).exists()
    search(tmp_path)
    changes.change(0, 1)
    monkeypatch.setattr(Index, "_open", refuse)
    listing = search(tmp_path)  # what an earlier index knows is still of use
    assert listing.read == 1
    assert listing.runs == search(tmp_path, index=False).runs


def test_something_else_in_the_place_of_the_index(tmp_path: Path) -> None:
    write_run(tmp_path)
    truth = search(tmp_path, index=False).runs
    (tmp_path / FILE).mkdir()
    assert search(tmp_path).runs == truth
    (tmp_path / FILE).rmdir()
    (tmp_path / FILE).write_text("this is no database" * 1000)
    assert search(tmp_path).runs == truth
    assert (tmp_path / FILE).read_bytes().startswith(b"SQLite format 3")
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("DROP TABLE runs")
        file.execute("CREATE TABLE runs (other TEXT)")
    file.close()
    assert search(tmp_path).runs == truth


def test_an_index_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = Changes(tmp_path)
    changes.add(0)
    search(tmp_path)
    monkeypatch.setattr(index_module, "FORMAT", "another")
    assert (search(tmp_path).read, search(tmp_path).read) == (1, 0)


def test_a_locked_index_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "PATIENCE", 0.05)
    changes = Changes(tmp_path)
    changes.add(0)
    search(tmp_path)
    changes.add(1)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    listing = search(tmp_path)
    other.execute("COMMIT")
    other.close()
    assert listing.index_problem == "database is locked"
    assert listing.runs == search(tmp_path, index=False).runs


WORKER = """
import sys, time
from pathlib import Path
from driftseg.finding.search import search
from driftseg.finding.index import FILE
folder = Path(sys.argv[1])
for number in range(8):
    if number % 4 == int(sys.argv[2]):
        (folder / FILE).unlink(missing_ok=True)
    assert search(folder).runs == search(folder, index=False).runs, "another answer"
"""


def test_two_processes_use_one_index(tmp_path: Path) -> None:
    """Each deletes it now and then, too."""
    changes = Changes(tmp_path)
    for number in range(12):
        changes.add(number)
    path = os.pathsep.join([str(Path(driftseg.__file__).parents[1]), *sys.path])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(number)],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
        )
        for number in range(2)
    ]  # fmt: skip
    for worker in workers:
        _, told = worker.communicate(timeout=120)
        assert worker.returncode == 0, told
    assert search(tmp_path).runs == search(tmp_path, index=False).runs


def test_the_index_says_nothing_of_where_it_lies(tmp_path: Path) -> None:
    """A folder of runs can be moved with it."""
    changes = Changes(tmp_path / "before")
    changes.add(0)
    search(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    listing = search(tmp_path / "after")
    assert listing.read == 0
    assert listing.runs == search(tmp_path / "after", index=False).runs
    assert listing.runs[0].path.is_dir()
