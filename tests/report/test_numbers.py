"""Numbers for other programs: the same columns for every method, and true ones."""

from __future__ import annotations

import csv
import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest
from records import make_run

from driftseg.errors import InputError
from driftseg.report.numbers import write_numbers
from driftseg.report.summary import run_continual, stream_scores, visit_scores
from driftseg.runs.record import Run


def table(runs: Sequence[Run], path: Path) -> list[dict[str, str]]:
    with write_numbers(runs, path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_a_run_with_what_the_report_says(tmp_path: Path) -> None:
    runs = [make_run("source_only"), make_run("dacs"), make_run("dacs", seed=1)]
    rows = table(runs, tmp_path / "new" / "numbers.csv")
    assert [(row["method"], row["seed"]) for row in rows] == [
        ("source_only", "0"), ("dacs", "0"), ("dacs", "1"),
    ]  # fmt: skip
    for row, run in zip(rows, runs, strict=True):
        held = [float(row[f"held_out_{name}"]) for name in ("1_clear", "2_wet", "3_clear")]
        assert held == pytest.approx(visit_scores(run))
        stream = [float(row[f"stream_{name}"]) for name in ("1_clear", "2_wet", "3_clear")]
        assert stream == pytest.approx(stream_scores(run), rel=1e-5)
        assert float(row["stream_over_all_visits"]) == pytest.approx(
            statistics.harmonic_mean(stream), rel=1e-5
        )
        whole = run_continual(run)
        assert float(row["over_all_visits"]) == pytest.approx(whole.total, rel=1e-5)
        assert float(row["forgotten"]) == pytest.approx(60 - 50 - run.seed)
        assert float(row["learnt_from"]) == 50
        assert row["folder"] == str(run.path)


def test_columns_do_not_depend_on_what_a_run_knows(tmp_path: Path) -> None:
    """Without held-out frames or labels cells are empty; no column comes or goes."""
    known = table([make_run()], tmp_path / "a.csv")[0]
    nothing = table([make_run("tent", held=False, labels=False)], tmp_path / "b.csv")[0]
    assert list(known) == list(nothing)
    empty = {name for name, value in nothing.items() if value == ""}
    assert {"held_out_1_clear", "stream_2_wet", "forward", "forgotten"} <= empty
    assert empty.isdisjoint({"learnt_from", "frames_per_second", "method", "seed"})


def test_markdown_has_a_row_a_config_over_seeds(tmp_path: Path) -> None:
    runs = [make_run("source_only"), make_run("dacs"), make_run("dacs", seed=1)]
    path = tmp_path / "numbers.md"
    lines = write_numbers(runs, path).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(row) for row in cells}) == 1
    header, _, source, dacs = cells
    assert header[:4] == ["", "clear", "wet", "clear"]
    assert header[-1] == "seeds"
    assert (source[0], source[-1]) == ("source_only", "1")
    assert (dacs[0], dacs[3], dacs[-1]) == ("dacs", "50.5 ± 0.7", "2")
    assert dacs[header.index("forgotten on clear, points")] == "9.5 ± 0.7"
    assert source[3] == "50.0"


def test_markdown_takes_the_stream_where_nothing_is_held_out(tmp_path: Path) -> None:
    run = make_run(held=False)
    path = write_numbers([run], tmp_path / "numbers.md")
    row = path.read_text(encoding="utf-8").splitlines()[2].split(" | ")
    assert row[1] == f"{stream_scores(run)[0]:.1f}"
    assert "–" in row  # forgetting needs held-out frames


def test_bad_places(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"expected a file that ends in \.csv or \.md, got the "
        r"ending \.xlsx",
    ):
        write_numbers([make_run()], tmp_path / "numbers.xlsx")
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError,
        match="expected a place where the numbers can be written, "
        r"got an error \(File exists\)",
    ):
        write_numbers([make_run()], tmp_path / "file" / "numbers.csv")
    other = dataclasses.replace(make_run("tent"), visits=make_run().visits[:2])
    with pytest.raises(InputError, match=r"expected the same stream as .*, got schedule "):
        write_numbers([make_run(), other], tmp_path / "numbers.csv")
    assert not (tmp_path / "numbers.csv").exists()
