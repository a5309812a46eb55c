"""What a list says of run folders: finished, interrupted, damaged, of another version."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from driftseg.api.finding import find_runs, gather, note_run, remarks_of, tag_run
from driftseg.errors import InputError
from driftseg.finding.search import search
from driftseg.report.numbers import run_numbers
from driftseg.runs.lock import RunLock
from driftseg.runs.record import read_run
from driftseg.runs.remarks import FILE, Remarks
from written_runs import status_of, write_run


def test_a_finished_run(tmp_path: Path) -> None:
    path = write_run(tmp_path, method="tent", seed=3, learning_rate=0.5)
    (run,) = find_runs(tmp_path)
    assert (run.state, run.method, run.seed, run.target, run.source) == (
        "finished", "tent", 3, "tiny", "town",
    )  # fmt: skip
    assert (run.frames, run.total, run.version, run.problem) == (6, 6, "0.1.0", None)
    assert (run.started, run.encoder) == ("2026-01-02 03:04", "mit_b0")
    assert run.path == path
    assert run.numbers == run_numbers(read_run(path))
    assert run.value("method.learning_rate") == 0.5
    assert run.value("over_all_visits") == run.numbers["over_all_visits"]


def test_states(tmp_path: Path) -> None:
    for state in ("running", "interrupted", "finished"):
        write_run(tmp_path, name=state, state=state)
    write_run(tmp_path, name="dead", state="running")
    held = RunLock(tmp_path / "running")
    old = write_run(tmp_path, name="old-1.partial")
    (old / "environment.json").unlink()
    bare = write_run(tmp_path, name="bare")
    (bare / "environment.json").unlink()
    (bare / "evaluations.jsonl").unlink()
    found = {run.run: run for run in find_runs(tmp_path)}
    assert {name: run.state for name, run in found.items()} == {
        "running": "running", "interrupted": "interrupted", "finished": "finished",
        "dead": "interrupted", "old-1.partial": "interrupted", "bare": "interrupted",
    }  # fmt: skip
    assert found["bare"].frames == 6
    assert found["bare"].method == "dacs"
    assert [run.run for run in find_runs(tmp_path, ["state=finished"])] == ["finished"]
    assert [run.run for run in find_runs(tmp_path, ["state=running"])] == ["running"]
    held.release()
    assert not find_runs(tmp_path, ["state=running"])


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("config.yaml", "a: [", "config.yaml: expected YAML"),
        ("config.yaml", "just a text", "config.yaml: expected the config of a run, got str"),
        ("config.yaml", "seed: 0", "expected a record of driftseg .*, got one of 9.9"),
        ("schedule.json", "{", "expected a readable run, got a damaged one"),
        ("frames.jsonl", '{"index": 0}\n', "expected a record of driftseg .*, got one of 9.9"),
        ("frames.jsonl", "\xff\xfe{", "expected a readable run, got a damaged one"),
        ("environment.json", "[]", "is not a readable run|got one of an unknown version"),
        ("status.json", status_of("resting", 1, 6), "a state of running, .* got 'resting'"),
        ("status.json", '{"state": "running"}', "status.json: .* got a damaged file"),
        ("status.json", "[]", "status.json: .* got a damaged file"),
        ("status.json", "{", "status.json: .* got a damaged file"),
        ("notes.json", "[]", "notes.json: expected"),
    ],
)
def test_damaged_runs_are_listed_and_refused(
    file: str, text: str, problem: str, tmp_path: Path
) -> None:
    """A list shows why; what needs the run stops with one line."""
    run = write_run(tmp_path, environment={"driftseg": "9.9"})
    (run / file).write_text(text, encoding="latin-1")
    write_run(tmp_path, seed=1)
    bad = find_runs(tmp_path, ["state=unreadable"])
    assert [each.path for each in bad] == [run]
    assert re.search(problem, bad[0].problem or "")
    assert "\n" not in (bad[0].problem or "")
    gathered = gather([tmp_path])
    assert [each.path for each in gathered.left_out] == [run]
    assert [each.seed for each in gathered.runs] == [1]
    if file != "notes.json":
        with pytest.raises(InputError, match=problem):
            gather([run])


def test_folders_below_folders(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "a", name="x")
    write_run(tmp_path, name="y")
    (tmp_path / "pictures").mkdir()
    (tmp_path / ".hidden").mkdir()
    write_run(tmp_path / ".hidden", name="z")
    assert sorted(run.run for run in find_runs(tmp_path)) == ["sweep/a/x", "y"]
    assert [run.run for run in find_runs(tmp_path / "y")] == ["y"]
    assert not list((tmp_path / "y").glob(".driftseg*"))


def test_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder of runs, got nothing there"):
        find_runs(tmp_path / "none")
    with pytest.raises(InputError, match="expected a folder of runs, got one without any"):
        find_runs(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a folder of runs, got a file"):
        find_runs(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_limits(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, seed=seed, score=40 + seed)
    listing = search(tmp_path, ["seed>0"], sort="over_all_visits", limit=2)
    assert [run.seed for run in listing.runs] == [3, 2]
    assert (listing.matching, len(listing.everyone)) == (3, 4)


def test_gathering(tmp_path: Path) -> None:
    first = write_run(tmp_path, name="b", seed=0)
    write_run(tmp_path, name="a", seed=1)
    part = write_run(tmp_path, name="c", seed=2, state="interrupted")
    gathered = gather([first, tmp_path])
    assert [run.path.name for run in gathered.runs] == ["b", "a"]
    assert [run.path for run in gathered.left_out] == [part]
    assert [run.seed for run in gather([tmp_path], ["seed=1"]).runs] == [1]
    with pytest.raises(InputError, match="expected at least one run, got none with seed=7"):
        gather([tmp_path], ["seed=7"])
    with pytest.raises(InputError, match=r"expected finished runs, got 1 that are not"):
        gather([tmp_path], ["seed=2"])
    with pytest.raises(InputError, match="expected the folder of a finished run, got nothing"):
        gather([tmp_path / "none"])


def test_remarks(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    before = find_runs(tmp_path)[0]
    assert tag_run(run, ["paper", "x/1", "paper"]).tags == ("paper", "x/1")
    assert note_run(run, " a first look ").notes == ("a first look",)
    assert note_run(run, "größer").notes == ("a first look", "größer")
    assert tag_run(run, ["paper"], remove=True) == remarks_of(run)
    after = find_runs(tmp_path, ["tag=x/1"])[0]
    assert (after.tags, after.notes) == (("x/1",), ("a first look", "größer"))
    assert after.hash == before.hash
    assert note_run(run, "new", replace=True) == Remarks(("x/1",), ("new",))
    assert note_run(run, None, replace=True) == Remarks(("x/1",), ())
    assert json.loads((run / FILE).read_text()) == {"tags": ["x/1"], "notes": []}
    assert not list(run.glob("*.partial"))


def test_wrong_remarks(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    for tag in ("two words", "a,b", "a=b", ""):
        with pytest.raises(InputError, match="tag: expected letters"):
            tag_run(run, [tag])
    with pytest.raises(InputError, match="note: expected a text"):
        note_run(run, "  ")
    with pytest.raises(InputError, match="expected a tag of the run"):
        tag_run(run, ["x"], remove=True)
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="expected the folder of one run"):
            tag_run(place, ["x"])
    assert not (run / FILE).exists()
