"""docs/experiments.md: its commands are ones that driftseg takes, on files that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from driftseg.cli.main import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.split(" > ")[0] if line.count("'") < 2 else line
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("driftseg ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_taken(command: str) -> None:
    """Names of commands and options; nothing is run."""
    group = typer.main.get_command(app)
    name, *words = shlex.split(command)[1:]
    context = group.make_context("driftseg", [name])
    found = group.get_command(context, name)
    assert found is not None, name
    found.make_context(name, words, parent=context)
    for word in words:
        if word.startswith("examples/"):
            assert (ROOT / word).is_file(), word


def test_the_page_has_commands_for_every_step() -> None:
    names = [shlex.split(command)[1] for command in COMMANDS]
    firsts = [*dict.fromkeys(names)]
    assert firsts == [
        "examples", "run", "report", "repeat", "runs", "tag", "note", "compare", "sweep", "tune",
    ]  # fmt: skip


def test_links_lead_to_headings() -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in headings}
    wanted = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert wanted <= anchors
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"experiments\.md#([^)]+)\)", text)) <= anchors, page
