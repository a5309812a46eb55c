"""The page of all tables of results: made from its numbers, complete, and linked to."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from driftseg.config.reading import read_config
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.runs.writing import new_record

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NUMBER = re.compile(r"-?\d*\.?\d+( ± \d*\.?\d+)?")


def load() -> ModuleType:
    """The benchmark, wherever pytest is started."""
    path = ROOT / "benchmarks" / "results_page.py"
    spec = importlib.util.spec_from_file_location("results_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["results_page"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


results = load()
TABLES = results.read_tables()


def write_run(out: Path, method: str, seed: int, worst: float) -> Path:
    """A finished run on disk: two visits, one frame each, held-out scores by hand."""
    visits = [
        {"visit": 0, "domain": "clear", "direction": "forward", "weather": "", "frames": 1},
        {"visit": 1, "domain": "wet", "direction": "forward", "weather": "", "frames": 1},
    ]
    writer = new_record(
        out, f"{method}_{seed}",
        config={"name": "tiny", "seed": seed, "method": {"name": method}}, environment={},
        schedule=visits, classes=["sky", "road"], label_space="camvid11", home="clear",
    )  # fmt: skip
    for visit in visits:
        writer.frame({
            "index": visit["visit"], "visit": visit["visit"], "domain": visit["domain"],
            "labelled": True, "intersection": [1, 1], "union": [2, 2], "trained": True,
            "predict_ms": 1.0, "adapt_ms": 1.0,
        })  # fmt: skip
    for after in range(-1, 2):
        for domain, score in (("clear", 60.0), ("wet", worst)):
            writer.evaluation({"after_visit": after, "domain": domain, "head": "main",
                               "mean_iou": score, "iou": {}})  # fmt: skip
    return writer.finish()


def cells(text: str) -> list[str]:
    """Of all tables of a page, without bold."""
    lines = [line[1:-1] for line in text.splitlines() if line.startswith("|")]
    return [cell.strip().replace("**", "") for line in lines for cell in line.split("|")]


def anchors(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return [results.anchor(title) for title in titles]


def test_the_page_on_disk_is_what_the_numbers_make() -> None:
    assert results.main(["--check"]) == 0


def test_check_notices_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "PAGE", tmp_path / "page.md")
    assert results.main(["--check"]) == 1  # not there
    assert results.main([]) == 0
    assert results.main(["--check"]) == 0
    results.PAGE.write_text(results.PAGE.read_text(encoding="utf-8") + "x", encoding="utf-8")
    assert results.main(["--check"]) == 1


def test_every_csv_is_a_table_and_every_table_has_one() -> None:
    named = [table.file for table in TABLES.tables]
    assert sorted(named) == sorted(path.name for path in results.NUMBERS.glob("*.csv"))


def test_tables_name_columns_that_there_are() -> None:
    used: set[str] = set()
    for table in TABLES.tables:
        rows = results.read_rows(results.NUMBERS / table.file)
        columns = results.columns_of(rows)
        used |= set(columns)
        named = {*table.high, *table.low, *([table.within] if table.within else [])}
        assert named <= set(columns), table.file
        assert set(table.unranked) <= {row[columns[0]] for row in rows}, table.file
        assert None not in {key for row in rows for key in row}, f"{table.file}: a row is too long"
        for column in {*table.high, *table.low} | {c for c in columns if f"{c}_sd" in rows[0]}:
            shown = [results.cell(row, column) for row in rows if row[column]]
            assert all(NUMBER.fullmatch(text) for text in shown), (table.file, column)
    assert set(TABLES.headings) <= used


def test_links_to_tables_resolve() -> None:
    there = anchors(results.PAGE)
    assert len(there) == len(set(there))
    assert results.anchor("Kinds of adapters: MiT-B0") == "kinds-of-adapters-mit-b0"
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    linked = re.findall(r"\(results_tables\.md#([^)]+)\)", text)
    assert set(linked) <= set(there)
    assert {results.anchor(table.title) for table in TABLES.tables} <= set(linked)
    inside = re.findall(r"\(#([^)]+)\)", results.PAGE.read_text(encoding="utf-8"))
    assert set(inside) <= set(there)


@pytest.mark.parametrize("path", [*DOCS.glob("*.md"), ROOT / "README.md"], ids=lambda p: p.name)
def test_links_to_results_resolve(path: Path) -> None:
    linked = re.findall(r"\bresults\.md#([\w-]+)\)", path.read_text(encoding="utf-8"))
    assert set(linked) <= set(anchors(DOCS / "results.md"))


def test_numbers_of_the_conclusions_are_those_of_the_tables() -> None:
    known = cells(results.PAGE.read_text(encoding="utf-8"))
    shown = cells((DOCS / "results.md").read_text(encoding="utf-8"))
    assert {text for text in shown if "." in text and NUMBER.fullmatch(text)} <= set(known)


def test_commands_of_tables_are_valid() -> None:
    """Those that are complete; a comment or three dots stand for the others."""
    commands = {
        line
        for table in TABLES.tables
        for line in table.commands.replace("\\\n", " ").splitlines()
        if re.match(r"driftseg (run|train|evaluate|calibrate) ", line) and "..." not in line
    }
    assert commands
    for command in commands:
        words = shlex.split(command, comments=True)
        changes = [value for name, value in pairwise(words) if name == "--set"]
        kind = TrainConfig if words[1] == "train" else RunConfig
        read_config(ROOT / words[2], kind, changes=changes, data=Path("DATA"))


def test_best_values() -> None:
    rows = [
        {"method": "a", "part": "x", "score": "50.0", "score_sd": "1.0", "lost": "1.0"},
        {"method": "b", "part": "x", "score": "50.0", "score_sd": "", "lost": "-2.0"},
        {"method": "c", "part": "y", "score": "40.0", "score_sd": "", "lost": ""},
        {"method": "oracle", "part": "y", "score": "90.0", "score_sd": "", "lost": ""},
        {"method": "d", "part": "y", "score": "30.0", "score_sd": "", "lost": "0.0"},
    ]
    table = results.Table("", "", "", "", high=["score"], low=["lost"], unranked=["oracle"])
    assert results.best_rows(rows, "score", table) == {0, 1}
    assert results.best_rows(rows, "lost", table) == {1}
    parted = results.Table("", "", "", "", high=["score"], within="part", unranked=["oracle"])
    assert results.best_rows(rows, "score", parted) == {2}  # both of x are the same
    lines = results.table_lines(table, rows, {"score": "mIoU"})
    assert lines[0] == "| method | part | mIoU | lost |"
    assert lines[2] == "| a | x | **50.0 ± 1.0** | 1.0 |"
    assert lines[4] == "| c | y | 40.0 | |"


def test_collect_gives_mean_and_spread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        write_run(tmp_path, "dacs", 0, 40.0),
        write_run(tmp_path, "dacs", 1, 41.0),
        write_run(tmp_path, "source_only", 0, 30.0),
    ]
    assert results.main(["--collect", *map(str, runs)]) == 0
    dacs, source = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (dacs["method"], dacs["seeds"]) == ("dacs", "2")
    assert (dacs["held_out_2_wet"], dacs["held_out_2_wet_sd"]) == ("40.5", "0.7")
    assert (dacs["held_out_1_clear"], dacs["held_out_1_clear_sd"]) == ("60.0", "0.0")
    assert (dacs["stream_1_clear"], dacs["learnt_from"]) == ("50.0", "100.0")
    assert (dacs["backward"], dacs["backward_sd"]) == ("", "")  # no way home
    assert (source["held_out_2_wet"], source["held_out_2_wet_sd"]) == ("30.0", "")
    assert source["seeds"] == "1"


def test_collect_refuses_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results.main(["--collect", str(tmp_path)]) == 1
    assert "expected the folder of a finished run, got" in capsys.readouterr().err
