"""Tables and pictures of a comparison: whole, true and safe to include."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path

import pytest
from PIL import Image
from records import make_run
from test_bootstrap import long_run

from driftseg.errors import InputError
from driftseg.report.bootstrap import signed
from driftseg.report.comparison import Comparison, compare
from driftseg.report.comparison_tables import escaped, means_table, write_comparison


@pytest.fixture
def comparison() -> Comparison:
    """Three groups; the name of one has all that LaTeX minds."""
    runs = [long_run("source_only"), long_run("tent", worse=0.9)]
    for seed in range(4):
        run = long_run(r"a_b & 50 % #{x} ~^\|", worse=0.7 + seed / 20, seed=seed)
        runs.append(run)
    return compare(runs)


def test_csv_says_what_the_comparison_holds(comparison: Comparison, tmp_path: Path) -> None:
    with write_comparison(comparison, tmp_path / "new" / "c.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(comparison.rows) * len(comparison.numbers)
    found = {(row["group"], row["number"]): row for row in rows}
    for each in comparison.differences:
        row = found[each.label, each.number]
        assert float(row["difference"]) == pytest.approx(each.mean, rel=1e-4)
        assert (row["against"], int(row["pairs"])) == (each.against, len(each.values))
        assert row["verdict"] == each.verdict
        for name, interval in (("seeds", each.over_seeds), ("frames", each.over_frames)):
            low = row[f"over_{name}_low"]
            assert (
                low == "" if interval is None else float(low) == pytest.approx(interval.low, 1e-4)
            )
    still = found["source_only", "over_all_visits"]
    assert (still["difference"], still["verdict"], still["deviation"]) == ("", "", "")
    assert float(still["mean"]) == pytest.approx(comparison.rows[0].numbers["over_all_visits"].mean)


def test_markdown(comparison: Comparison, tmp_path: Path) -> None:
    text = write_comparison(comparison, tmp_path / "c.md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 1 + len(comparison.tested)
    for table in tables:
        rows = [re.split(r"(?<!\\)\|", line) for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1
    assert "* mIoU over all visits, %, against source_only: " in text


def test_latex_is_well_formed(comparison: Comparison, tmp_path: Path) -> None:
    """As far as one can see without LaTeX: columns, environments, nothing unescaped."""
    text = write_comparison(comparison, tmp_path / "c.tex").read_text(encoding="utf-8")
    assert text.isascii()
    body = [line for line in text.splitlines() if line and not line.startswith("%")]
    tables = re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tables) == 1 + len(comparison.tested)
    for columns, inside in tables:
        assert [rule in inside for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [True] * 3
        for line in inside.strip().splitlines():
            if not line.endswith("rule"):
                assert line.endswith(r" \\")
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1
    for line in body:
        told = re.sub(r"\\[a-z]+(\{\w+\})*|\\[&%$#_{}]|\$(\\pm|[+-])\$|\\\\|\{\}", "", line)
        assert not re.search(r"[%$#_~^\\{}]", told), line


def test_escapes() -> None:
    assert escaped("a_b & c") == r"a\_b \& c"
    assert escaped("-1.5 to +2.0") == "$-$1.5 to $+$2.0"
    assert escaped("learning_rate 1e-05, x-1") == r"learning\_rate 1e-05, x-1"
    assert escaped("3.0 ± 0.1") == r"3.0 $\pm$ 0.1"
    assert escaped("two\nlines\\") == r"two lines\textbackslash{}"
    assert escaped("a--b, ''c'', 5 --- 6") == "a-{}-b, '{}'c'{}', 5 -{}-{}- 6"
    assert escaped("$-1") == r"\$$-$1"
    assert escaped("Größe, façade, ß") == "Größe, façade, ß"
    assert escaped("日本 λ→µ") == "U+65E5U+672C U+03BBU+2192U+00B5"
    assert escaped("a\x07b\u200b") == "ab"


@pytest.mark.parametrize("name", ["[head]", "* all", "*[x]"])
def test_a_row_does_not_belong_to_the_end_of_the_row_before(name: str, tmp_path: Path) -> None:
    """LaTeX reads a star or a bracket after the end of a row as part of that end."""
    found = compare([long_run("source_only"), long_run(name, seed=1)])
    text = write_comparison(found, tmp_path / "c.tex").read_text(encoding="utf-8")
    assert f"\\\\\n{{}}{name} & " in text
    assert not re.search(r"\\\\\s*[*\[]", text)


def test_means_of_equal_numbers_have_no_deviation(comparison: Comparison) -> None:
    header, *rows = means_table(comparison)
    column = header.index("learnt from, % of frames")
    assert [row[column] for row in rows] == ["100.0"] * 3
    assert rows[2][-1] == "4"
    assert "±" in rows[2][1]


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_pictures(ending: str, comparison: Comparison, tmp_path: Path) -> None:
    path = write_comparison(comparison, tmp_path / f"c.{ending}")
    assert path.stat().st_size > 5_000
    if ending == "png":
        with Image.open(path) as picture:
            assert picture.width > 1000
    if ending == "svg":
        assert path.read_bytes() == write_comparison(comparison, tmp_path / "d.svg").read_bytes()


def test_a_picture_without_differences(tmp_path: Path) -> None:
    alone = compare([make_run(), make_run(seed=1)])
    assert write_comparison(alone, tmp_path / "c.svg").stat().st_size > 5_000
    assert write_comparison(alone, tmp_path / "c.tex").read_text().count("tabular") == 2


def test_bad_places(comparison: Comparison, tmp_path: Path) -> None:
    for name, got in (("c.xlsx", ".xlsx"), ("c", "no ending")):
        with pytest.raises(InputError, match=f"expected a file that ends in .csv, .*got {got}"):
            write_comparison(comparison, tmp_path / name)
    (tmp_path / "file").touch()
    for ending in ("csv", "svg"):
        with pytest.raises(InputError, match=r"expected a place .* can be written, got"):
            write_comparison(comparison, tmp_path / "file" / f"c.{ending}")


def test_signs_fit_what_is_rounded() -> None:
    assert [signed(value) for value in (1.26, -1.24, 0.04, -0.04)] == ["+1.3", "-1.2", "0.0", "0.0"]


def test_runs_without_a_number_are_left_out_of_its_mean() -> None:
    known, unknown = make_run("tent"), make_run("tent", 1)
    unknown = dataclasses.replace(unknown, evaluations=unknown.evaluations[:2])
    header, row = means_table(compare([known, unknown]))
    assert row[header.index("forgotten on clear, points")] == "10.0"
