"""Words that choose runs, and columns by their short names."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftseg.errors import InputError
from driftseg.finding.entry import FoundRun
from driftseg.finding.filters import chosen, find_column, is_filter, ordered

RUNS = [
    FoundRun(
        run="b", state="finished", started="2026-01-01 10:00", target="storm", method="dacs",
        seed=0, tags=("paper", "x"), numbers={"over_all_visits": 51.5, "forgotten": -1.0},
        settings={"method.learning_rate": 6e-5, "method.train": ["encoder", "head"],
                  "camera": None, "target.kind": "town", "source.kind": "town", "blur": True},
    ),
    FoundRun(
        run="a", state="finished", started="2026-01-02 10:00", target="dusk", method="tent",
        seed=1, numbers={"over_all_visits": 60.0}, notes=("first", "second"),
        settings={"method.learning_rate": 1e-5, "camera": "town", "blur": False},
    ),
    FoundRun(run="c", path=Path("c"), problem="damaged"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", "abc"),
        ("method=dacs", "b"),
        ("method=dacs,tent", "ab"),
        ("method!=dacs", "ac"),
        ("method!=dacs,tent", "c"),
        ("seed=0", "b"),
        ("seed=0.0", "b"),
        ("seed>=0", "ab"),
        ("method=tent seed=0", ""),
        ("tag=paper", "b"),
        ("tags=x", "b"),
        ("tag!=x", "ac"),
        ("tag=none", "ac"),
        ("state=unreadable", "c"),
        ("over_all_visits>51.5", "a"),
        ("over_all_visits>=51.5", "ab"),
        ("forgotten<0", "b"),
        ("started>=2026-01-02", "a"),
        ("learning_rate=0.00006", "b"),
        ("method.learning_rate<2e-5", "a"),
        ("train=head", "b"),
        ("camera=null", "bc"),
        ("blur=true", "b"),
        ("blur>0", ""),
        ("target=*s*", "ab"),
        ("note=*second", "a"),
        ("folder=b", "b"),
        ("run=", ""),
    ],
)
def test_filters(words: str, names: str) -> None:
    assert "".join(sorted(run.run for run in chosen(RUNS, words.split()))) == names


def test_the_order() -> None:
    def names(column: str | None, *, reverse: bool = False) -> str:
        return "".join(run.run for run in ordered(RUNS, column, reverse=reverse))

    assert names(None) == "abc"  # the newest first; without a time, last
    assert names(None, reverse=True) == "bac"
    assert names("over_all_visits") == "abc"  # the largest first
    assert names("over_all_visits", reverse=True) == "bac"
    assert names("forgotten") == "bac"  # those without a value by name
    assert names("method") == "bac"
    assert names("method", reverse=True) == "abc"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("metod=dacs", "metod: expected a column of the list .* did you mean method"),
        ("nothing_like_it=1", "driftseg runs --json shows all names"),
        ("kind=town", "expected the name of one column, got the end of source.kind, target.kind"),
        ("seed>many", "filter seed>many: expected a number after >, got 'many'"),
        ("dacs", "filter: expected COLUMN=VALUE.* got 'dacs'"),
    ],
)
def test_wrong_filters(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen(RUNS, words.split())


def test_forms() -> None:
    assert is_filter("a=")
    assert is_filter("a>=1")
    assert not is_filter("runs/storm")
    assert not is_filter("=1")
    assert find_column(RUNS, "learning_rate") == "method.learning_rate"
