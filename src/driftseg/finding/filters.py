"""Filters of runs, such as ``method=dacs``, ``seed=0,1`` or ``over_all_visits>50``."""

from __future__ import annotations

import difflib
import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from driftseg.errors import InputError
from driftseg.finding.entry import COLUMNS, FoundRun

_FORM = re.compile(r"(?P<column>[^=<>!]+)(?P<sign><=|>=|!=|=|<|>)(?P<value>.*)", re.DOTALL)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
MISSING = (None, (), "")
NOTHING = ("", "null", "none")
"""Words in a filter for a value that a run does not have."""


@dataclass(frozen=True)
class Filter:
    """One parsed filter."""

    column: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.value}"

    def holds(self, value: Any) -> bool:
        """Whether a run with this value in the column is chosen."""
        if self.sign in ("=", "!="):
            found = any(_equal(value, text.strip()) for text in self.value.split(","))
            return found == (self.sign == "=")
        order = _ORDERS[self.sign]
        if isinstance(value, str):
            return order(value, self.value)
        number = as_number(self.value)
        if number is None or isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return order(value, number)


def is_filter(word: str) -> bool:
    """Whether a word has the form of a filter."""
    return _FORM.fullmatch(word) is not None


def parse_filter(word: str) -> Filter:
    """Parses a filter.

    Raises:
        InputError: the word has another form.
    """
    found = _FORM.fullmatch(word)
    if found is None:
        raise InputError(
            f"filter: expected COLUMN=VALUE, or !=, <, <=, >, >= in place of =, got {word!r}. "
            "To fix: write it like method=dacs or 'over_all_visits>50', in quotes"
        )
    return Filter(found["column"].strip(), found["sign"], found["value"].strip())


def chosen(runs: Sequence[FoundRun], words: Iterable[str]) -> list[FoundRun]:
    """The runs for which every filter holds.

    Raises:
        InputError: a word is not a filter, names no column, or compares numbers with a text.
    """
    kept = list(runs)
    for word in words:
        asked = parse_filter(word)
        column = find_column(runs, asked.column)
        values = [run.value(column) for run in runs]
        numeric = any(isinstance(value, int | float) for value in values)
        if asked.sign in _ORDERS and numeric and as_number(asked.value) is None:
            raise InputError(
                f"filter {word}: expected a number after {asked.sign}, got {asked.value!r}. "
                f"To fix: give one, like {asked.column}{asked.sign}1"
            )
        kept = [run for run in kept if asked.holds(run.value(column))]
    return kept


def find_column(runs: Sequence[FoundRun], name: str) -> str:
    """The full name of a column; for a setting, the end of its name is enough.

    Raises:
        InputError: no run has it, or several settings have this end.
    """
    name = {"tags": "tag", "notes": "note", "folder": "run"}.get(name, name)
    if name in COLUMNS or any(name in run.numbers or name in run.settings for run in runs):
        return name
    settings = {key for run in runs for key in run.settings}
    ends = sorted(key for key in settings if key.endswith(f".{name}"))
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise InputError(
            f"{name}: expected the name of one column, got the end of {', '.join(ends)}. "
            f"To fix: write {ends[0]}"
        )
    numbers = sorted({key for run in runs for key in run.numbers})
    known = [*COLUMNS, *numbers, *sorted(settings)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "driftseg runs --json shows all names"
    raise InputError(
        f"{name}: expected a column of the list ({', '.join(COLUMNS)}, a number or a setting of "
        f"the config), got an unknown name. To fix: {hint}"
    )


def ordered(
    runs: Sequence[FoundRun], column: str | None, *, reverse: bool = False
) -> list[FoundRun]:
    """Sorts runs by a column (`find_column`), or the newest first. Large numbers come first.

    Texts are sorted from A. Runs without a value come last, and equal ones by name.
    """
    runs = sorted(runs, key=lambda run: run.run)
    name = "started" if column is None else column
    values = {run.run: run.value(name) for run in runs}
    known = [run for run in runs if values[run.run] not in MISSING]
    unknown = [run for run in runs if values[run.run] in MISSING]
    if all(isinstance(values[run.run], int | float) for run in known):
        known.sort(key=lambda run: values[run.run], reverse=not reverse)
    else:
        newest_first = name == "started"
        known.sort(key=lambda run: str(values[run.run]), reverse=reverse != newest_first)
    return known + unknown


def as_number(text: str) -> float | None:
    """The number in a text; None if it is not a number."""
    try:
        return float(text)
    except ValueError:
        return None


def _equal(value: Any, text: str) -> bool:
    if value in MISSING:
        return text.lower() in NOTHING
    if isinstance(value, list | tuple):
        return any(_equal(each, text) for each in value)
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | float):
        return as_number(text) == value
    return fnmatch.fnmatchcase(str(value), text)
