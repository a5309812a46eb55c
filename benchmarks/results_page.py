"""The page of all tables of results, from docs/results/*.csv and docs/results/tables.yaml.

    python -m benchmarks.results_page                         # writes docs/results_tables.md
    python -m benchmarks.results_page --check                 # exits 1 when that file differs
    python -m benchmarks.results_page --collect RUN [RUN ...]   # prints rows for a CSV

`--collect` groups runs by what differs besides the seed, and prints mean and sample standard
deviation over seeds. The runs must have met the same frames in the same weather.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from driftseg.errors import InputError
from driftseg.report.numbers import run_numbers
from driftseg.report.summary import Spread, group_runs
from driftseg.runs.record import read_run

DOCS = Path(__file__).parents[1] / "docs"
NUMBERS = DOCS / "results"
TABLES = NUMBERS / "tables.yaml"
PAGE = DOCS / "results_tables.md"
SPREAD = "_sd"
"""What the column of a standard deviation is called, after the column of its mean."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """What tables.yaml says about one table."""

    file: str
    title: str
    commands: str
    note: str
    renderer: str = ""
    """What is known about the renderer of the weather, where it is not the present one."""
    high: Sequence[str] = ()
    """Columns in which the highest value is bold."""
    low: Sequence[str] = ()
    """Columns in which the lowest value is bold."""
    within: str = ""
    """Column whose values divide the rows; each part has best values of its own."""
    unranked: Sequence[str] = ()
    """Values of the first column whose rows are not compared, such as an oracle's."""


@dataclass(frozen=True)
class Pages:
    """tables.yaml."""

    introduction: str
    headings: Mapping[str, str]
    """Printed names of columns; others are printed with spaces for underscores."""
    tables: Sequence[Table]


def read_tables(path: Path = TABLES) -> Pages:
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    tables = [Table(**entry) for entry in values["tables"]]
    return Pages(values["introduction"], values["headings"], tables)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Columns of the printed table: a standard deviation is printed beside its mean."""
    names = list(rows[0])
    return [n for n in names if not (n.endswith(SPREAD) and n.removesuffix(SPREAD) in names)]


def cell(row: Row, column: str, *, bold: bool = False) -> str:
    """One printed value."""
    spread = row.get(column + SPREAD, "")
    text = f"{row[column]} ± {spread}" if spread else row[column]
    return f"**{text}**" if bold else text.replace("|", "/")


def best_rows(rows: Sequence[Row], column: str, table: Table) -> set[int]:
    """Rows with the best printed value of a column; none where all values are the same."""
    choose = max if column in table.high else min
    first = next(iter(rows[0]))
    parts: dict[str, dict[int, float]] = {}
    for index, row in enumerate(rows):
        if row[column] and row[first] not in table.unranked:
            part = row[table.within] if table.within else ""
            parts.setdefault(part, {})[index] = float(row[column])
    best: set[int] = set()
    for values in parts.values():
        aim = choose(values.values())
        if len(set(values.values())) > 1:
            best |= {index for index, value in values.items() if value == aim}
    return best


def table_lines(table: Table, rows: Sequence[Row], headings: Mapping[str, str]) -> list[str]:
    """The table in Markdown."""
    columns = columns_of(rows)
    best = {name: best_rows(rows, name, table) for name in (*table.high, *table.low)}
    lines = [
        _line([headings.get(name, name.replace("_", " ")) for name in columns]),
        _line(["---"] * len(columns)),
    ]
    for index, row in enumerate(rows):
        lines.append(_line([cell(row, c, bold=index in best.get(c, ())) for c in columns]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {text} |" if text else " |" for text in cells)


def anchor(title: str) -> str:
    """What a heading is called in links: lower case, without punctuation, dashes for spaces."""
    kept = (c for c in title.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def page(pages: Pages, folder: Path = NUMBERS) -> str:
    """The whole page."""
    parts = ["# Tables of results", pages.introduction.strip()]
    parts.append("\n".join(f"* [{t.title}](#{anchor(t.title)})" for t in pages.tables))
    for table in pages.tables:
        rows = read_rows(folder / table.file)
        note = table.note.strip()
        if table.renderer:
            note = f"Renderer: {table.renderer}\n\n{note}"
        parts += [
            f"## {table.title}",
            f"Numbers: [results/{table.file}](results/{table.file})",
            f"```sh\n{table.commands.strip()}\n```",
            "\n".join(table_lines(table, rows, pages.headings)),
            note,
        ]
    return "\n\n".join(parts) + "\n"


def collect(folders: Sequence[Path]) -> str:
    """Rows of a CSV from run folders, one for each config, rounded as tables are.

    Raises:
        InputError: a folder is no finished run, or the runs met different worlds.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    groups = group_runs([read_run(folder) for folder in folders])
    for group in groups:
        numbers = [run_numbers(run) for run in group.runs]
        values: dict[str, str] = {"method": group.label}
        for name in numbers[0]:
            values |= _mean_and_spread(name, Spread(tuple(row[name] for row in numbers)))
        values["seeds"] = str(len(group.runs))
        if group is groups[0]:
            writer.writerow(values)
        writer.writerow(values.values())
    return text.getvalue()


def _mean_and_spread(name: str, spread: Spread) -> dict[str, str]:
    """Two cells; empty where the runs do not know, or where there is one seed."""
    known = not math.isnan(spread.mean)
    several = known and len(spread.values) > 1
    return {
        name: f"{spread.mean:.1f}" if known else "",
        name + SPREAD: f"{spread.deviation:.1f}" if several else "",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--collect", type=Path, nargs="+", metavar="RUN", help="run folders")
    given = parser.parse_args(arguments)
    if given.collect:
        try:
            print(collect(given.collect), end="")
        except InputError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    made = page(read_tables())
    if not given.check:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made:
        return 0
    print(f"{PAGE.name} is not what the numbers make; run python -m benchmarks.results_page")
    return 1


if __name__ == "__main__":
    sys.exit(main())
