"""driftseg runs, tag, note, compare and report on folders of runs, as a user meets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from driftseg.runs.record import config_hash, read_run
from tiny_networks import TINY_ENCODER
from written_runs import write_run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two methods; one over four seeds, one of them interrupted, and one damaged."""
    write_run(tmp_path, method="source_only", score=40)
    for seed in range(4):
        write_run(tmp_path, method="dacs", seed=seed, score=45 + seed / 4)
    write_run(tmp_path, method="dacs", seed=9, state="interrupted")
    (write_run(tmp_path, name="broken") / "schedule.json").write_text("{")
    return tmp_path


def test_real_runs_from_the_first_to_a_table(
    driftseg, tiny_run, write_config, tmp_path: Path
) -> None:
    """Four runs of two methods; tags and notes change no hash."""
    folder = tmp_path / "runs"
    brief = [{"name": "clear", "frames": 2}, {"name": "wet", "rain": 100, "frames": 2}]
    held_out = {**tiny_run["evaluation"], "frames": 1}
    values = {**tiny_run, "pictures": 0, "schedule": brief, "evaluation": held_out}
    config = write_config(values)
    still = driftseg("run", config, "--set", "method.name=source_only", "--tag", "still")
    assert still.returncode == 0, still.stderr
    for seed in (0, 1, 2):
        done = driftseg(
            "run", config, "--set", f"seed={seed}", "--tag", "paper", "--tag", "a/b",
            "--note", "lower rate",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    listed = json.loads(driftseg("runs", folder, "method=dacs", "tag=paper", "--json").stdout)
    assert len(listed) == 3
    for row in listed:
        assert (row["tags"], row["notes"], row["state"]) == (
            ["paper", "a/b"], ["lower rate"], "finished",
        )  # fmt: skip
        assert row["hash"] == config_hash(read_run(Path(row["path"])).config)
        assert row["run"].endswith(row["hash"])
        assert row["encoder"] == TINY_ENCODER.replace(":", "-")
    compared = driftseg("compare", folder, "--out", tmp_path / "c.csv")
    assert compared.returncode == 0, compared.stderr
    assert "against source_only" in compared.stdout
    rows = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert {row["pairs"] for row in rows if row["group"] == "dacs" and row["verdict"]} == {"3"}
    assert driftseg("report", folder).returncode == 0
    assert (folder / "report.html").stat().st_size > 10_000


def test_a_list(driftseg, study: Path) -> None:
    done = driftseg("runs", study)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:1] for line in lines if line.startswith("broken")] == [["broken"]]
    assert "7 runs" in lines
    assert any(line.startswith("unreadable: ") for line in lines)
    assert sum("interrupted" in line for line in lines) == 1
    assert any("3/6" in line or "6/6" in line or " 6" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_lists_fit_the_terminal(
    width: int, driftseg, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    table = driftseg("runs", study, "state=finished").stdout.splitlines()
    assert max(map(len, table)) <= width
    assert "over_all_" in table[0]
    assert ("the folder of a run is *_HASH" in table) == (width < 100)
    compared = driftseg("compare", study).stdout.splitlines()
    assert width < 80 or max(map(len, compared)) <= width


def test_filters_order_and_columns(driftseg, study: Path) -> None:
    done = driftseg(
        "runs", study, "method=dacs", "over_all_visits>45.2", "--sort", "seed", "--reverse",
        "--columns", "seed,over_all_visits", "--limit", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows[3:5]] == ["1", "2"]
    assert "4 of 7 runs; 2 shown, --limit 0 shows all" in done.stdout
    assert "0 of 7 runs" in driftseg("runs", study, "seed=77").stdout


def test_lists_for_scripts(driftseg, study: Path) -> None:
    found = json.loads(driftseg("runs", study, "--json").stdout)
    assert len(found) == 7
    rows = list(csv.DictReader(io.StringIO(driftseg("runs", study, "--csv").stdout)))
    assert [row["run"] for row in rows] == [row["run"] for row in found]
    for row, known in zip(rows, found, strict=True):
        for name, value in known["numbers"].items():
            assert float(row[name]) == pytest.approx(value, rel=1e-5)
        assert row["path"] == known["path"]
    few = driftseg("runs", study, "seed=1", "--csv", "--columns", "method,forward,seed").stdout
    assert few.splitlines()[0] == "method,forward,seed"
    assert few.splitlines()[1].startswith("dacs,45.")
    assert json.loads(driftseg("runs", study, "seed=77", "--json").stdout) == []


def test_tags_and_notes(driftseg, study: Path) -> None:
    run = next(study.glob("*source_only*"))
    assert driftseg("tag", run, "base", "paper").returncode == 0
    assert driftseg("note", run, "without learning").returncode == 0
    said = driftseg("note", run).stdout.splitlines()
    assert said == [str(run), "tags: base paper", "note: without learning"]
    assert "1 of 7 runs" in driftseg("runs", study, "tag=base").stdout
    assert driftseg("tag", run, "base", "--remove").returncode == 0
    assert "0 of 7 runs" in driftseg("runs", study, "tag=base").stdout


def test_compare_says_what_it_leaves_out(driftseg, study: Path, tmp_path: Path) -> None:
    table, picture = tmp_path / "t.tex", tmp_path / "p.svg"
    done = driftseg("compare", study, "--out", table, "--out", picture, "--number", "forward")
    assert done.returncode == 0, done.stderr
    assert "left out: 1 interrupted, 1 unreadable; driftseg runs shows them" in done.stdout
    assert f"written: {table}" in done.stdout
    assert "better: dacs (4 pairs)" in done.stdout
    assert table.is_file()
    assert picture.is_file()
    reported = driftseg("report", study, "seed=0", "--out", tmp_path / "r.html")
    assert reported.returncode == 0, reported.stderr
    assert "left out: 1 unreadable" not in reported.stdout  # it has no seed that could be 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "FOLDER", "metod=dacs"], "did you mean method"),
        (["runs", "FOLDER", "--sort", "forgoten"], "did you mean forgotten"),
        (["runs", "FOLDER", "--columns", "run,sed"], "did you mean seed"),
        (["runs", "FOLDER", "dacs"], "expected one folder and filters like method=dacs"),
        (["runs", "FOLDER", "--csv", "--json"], "expected one format"),
        (["runs", "gone"], "gone: expected a folder of runs, got nothing there"),
        (["runs", "EMPTY"], "expected a folder of runs, got one without any"),
        (["compare", "gone"], "gone: expected the folder of a finished run"),
        (["compare", "EMPTY"], "expected a folder of runs, got one without any"),
        (["compare", "FOLDER/broken"], "expected a readable run, got a damaged"),
        (["compare", "FOLDER", "seed=1"], "expected at least two runs, got 1"),
        (["compare", "FOLDER", "--out", "c.doc"], "expected a file that ends in .csv"),
        (["compare", "FOLDER", "--by", "metod"], "by: expected a setting of the config"),
        (["compare", "FOLDER", "--against", "lae"], "against: expected a method or one of"),
        (["compare", "FOLDER", "--number", "x"], "number: expected a number that runs have"),
        (["tag", "FOLDER", "x"], "expected the folder of one run, got another folder"),
        (["tag", "FOLDER/broken", "a b"], "tag: expected letters"),
        (["note", "gone", "x"], "expected the folder of one run, got nothing there"),
        (["run", "gone.yaml", "--tag", "a b"], "gone.yaml: expected a config file, got"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(
    arguments: list[str], message: str, driftseg, study: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "EMPTY").mkdir()
    monkeypatch.chdir(tmp_path)
    done = driftseg(*[word.replace("FOLDER", str(study)) for word in arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_runs_of_different_worlds(driftseg, study: Path) -> None:
    write_run(study, method="tent", settings={"severity": 2.0})
    for command in ("compare", "report"):
        done = driftseg(command, study)
        assert done.returncode == 2
        assert "got severity 2.0, not null" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_bad_tag_stops_before_the_run(driftseg, tiny_run, write_config, tmp_path: Path) -> None:
    done = driftseg("run", write_config(tiny_run), "--tag", "two words")
    assert done.returncode == 2
    assert "tag: expected letters" in done.stderr
    assert not (tmp_path / "runs").exists()
