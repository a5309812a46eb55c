"""docs/api.md says what is there: it is made from the docstrings, and these fit the code."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import driftseg
from driftseg.api.page import SECTIONS, _docstring, _items, page

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ROOMS = ("driftseg", "driftseg.methods", "driftseg.metrics", "driftseg.weather")
LISTED = [(section.room, name) for section in SECTIONS for name in section.names]


def test_the_page_is_what_the_docstrings_say() -> None:
    told = "make it anew: python -m driftseg.api.page > docs/api.md"
    assert PAGE.read_text(encoding="utf-8") == page(), told


def test_every_public_name_is_on_it_once() -> None:
    public = [
        (room, name)
        for room in ROOMS
        for name in import_module(room).__all__
        if f"{room}.{name}" not in ROOMS
    ]
    assert sorted(LISTED) == sorted(public)
    headings = re.findall(r"^### (driftseg\S+)$", page(), flags=re.MULTILINE)
    assert headings == [f"{room}.{name}" for room, name in LISTED]


@pytest.mark.parametrize(("room", "name"), LISTED)
def test_docstrings_name_the_arguments_that_there_are(room: str, name: str) -> None:
    found = getattr(import_module(room), name)
    if not callable(found):
        return
    parts = _docstring(found)
    assert parts[""]
    if "Args" in parts:
        named = [argument for argument, _ in _items(parts["Args"])]
        assert sorted(named) == sorted(inspect.signature(found).parameters)
    elif inspect.isfunction(found) and "Arguments are those of" not in parts[""]:
        assert len(inspect.signature(found).parameters) <= 3


def test_links_lead_somewhere() -> None:
    text = page()
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        known = (
            target[1:] in anchors if target.startswith("#") else (PAGE.parent / target).is_file()
        )
        assert known, target


def test_it_says_what_is_private() -> None:
    assert "What is not named here is private" in page()
    assert driftseg.__version__ not in page()  # a release does not change the page
