"""The pages' worked examples, from a package outside of driftseg, and mistakes in such packages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from commands import driftseg
from driftseg.runs.record import read_run

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, kind: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def entry_point(folder: Path, page: str) -> None:
    """An installed package that gives a part the short name of the page."""
    [table] = blocks(page, "toml")
    group, name, value = re.search(r'points\."(.*)"\]\n(\w+) = "(.*)"', table).groups()
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


@pytest.fixture
def method(tmp_path: Path, tiny_run: dict) -> Path:
    [code] = blocks("own_methods.md", "python")
    assert len(code.splitlines()) <= 67
    (tmp_path / "pseudo_labels.py").write_text(code)
    [section] = blocks("own_methods.md", "yaml")
    values = {**tiny_run, "source": None, "evaluation": None, **yaml.safe_load(section)}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_a_run_by_the_pages_method(method: Path, tiny_run: dict) -> None:
    done = driftseg(method, "run", "run.yaml")
    assert done.returncode == 0, done.stderr
    (folder,) = Path(tiny_run["out"]).glob("*")
    rows = read_run(folder).frames
    assert all(row["trained"] and row["learning_rate"] == 1e-3 for row in rows)
    assert {*rows[0]["losses"]} == {"pseudo"}


def test_the_pages_method_keeps_the_laws(method: Path) -> None:
    entry_point(method, "own_methods.md")
    command = re.search(r"driftseg (check method .*)", (DOCS / "own_methods.md").read_text())[1]
    done = driftseg(method, *command.split(), "--set", "threshold=0.2")
    named = driftseg(method, "check", "method", "pseudo_labels", "--set", "thresold=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 9 laws hold" in done.stdout
    assert named.returncode == 2
    assert "got 'thresold'. To fix: rename it (did you mean 'threshold'?)" in named.stderr


def test_a_source_model_with_the_pages_encoder(tmp_path: Path, tiny_run: dict) -> None:
    [code] = blocks("own_encoders.md", "python")
    assert len(code.splitlines()) <= 44
    (tmp_path / "small_net.py").write_text(code)
    [section] = blocks("own_encoders.md", "yaml")
    town = {"kind": "town", "frames": 3, "every": 20, "size": [96, 64]}
    values = {
        **yaml.safe_load(section), "out": "trained", "data": {**town, "seed": 1},
        "validation": {**town, "seed": 2}, "steps": 2, "early_head_steps": 1, "threads": 1,
        "sampling": {"batch_size": 1, "minimum_share": 0.004}, "warm_up": 1, "validate_every": 2,
    }  # fmt: skip
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(values))
    done = driftseg(tmp_path, "train", "train.yaml")
    assert done.returncode == 0, done.stderr
    run = {**tiny_run, "checkpoint": "trained/last.safetensors", "out": "runs"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    done = driftseg(tmp_path, "run", "run.yaml")
    assert done.returncode == 0, done.stderr
    checked = driftseg(tmp_path, "check", "encoder", "small_net:make")
    assert "all 10 laws hold" in checked.stdout
    gone = driftseg(tmp_path.parent, "run", str(tmp_path / "run.yaml"), "--set",
                    f"checkpoint={tmp_path}/trained/last.safetensors")  # fmt: skip
    assert gone.returncode == 2
    assert "expected an installed module, got small_net" in gone.stderr


@pytest.mark.parametrize(
    ("code", "name", "message", "traceback"),
    [
        ("", "mine:Gone", "expected Gone in mine, got a module without it", False),
        ("Gone = 3", "mine:Gone", "MethodSettings, got mine:Gone, which is a int", False),
        ("import nowhere_at_all", "mine:Gone", "can be imported, got mine (No module named", True),
        ("1 / 0", "mine:Gone", "ZeroDivisionError", True),
        ("", "elsewhere:Gone", "expected an installed module, got elsewhere", False),
    ],
)
def test_a_method_that_cannot_be_had(
    code: str, name: str, message: str, traceback: bool, tmp_path: Path, tiny_run: dict
) -> None:
    (tmp_path / "mine.py").write_text(code)
    values = {**tiny_run, "method": {"name": name}}
    changed = yaml.safe_dump({**tiny_run, "method": {"name": "tent"}})
    (tmp_path / "changed.yaml").write_text(changed)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    again = driftseg(tmp_path, "run", "changed.yaml", "--set", f"method.name={name}")
    done = driftseg(tmp_path, "run", "run.yaml")
    assert message in again.stderr.splitlines()[0]
    assert "method.name: method.name" not in again.stderr
    assert ("mine.py" in again.stderr) == traceback
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert message in lines[0]
    assert (len(lines) > 1) == traceback
    if traceback:
        assert "mine.py" in done.stderr


OWN = """
from driftseg.learners.settings import MethodSettings, Needs
class Bare(MethodSettings):
    name: str
class Failing(Bare):
    def needs(self):
        return Needs(("norms",))
    def make(self, supplies):
        return {}["nothing"]
class Empty(Failing):
    def make(self, supplies):
        return 3
"""


@pytest.mark.parametrize(
    ("name", "message", "traceback"),
    [
        ("Bare", "expected the method needs in Bare, got a class without it. To fix: add it to the "
                 "class", False),
        ("Failing", "expected its make to work, got KeyError: 'nothing'. To fix: correct the "
                    "method, see the traceback below", True),
        ("Empty", "expected a Composition from its make, got a int. To fix: return driftseg.learner"
                  "s.settings.Composition", False),
    ],
)  # fmt: skip
def test_a_method_that_cannot_be_made(
    name: str, message: str, traceback: bool, tmp_path: Path, tiny_run: dict
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    values = {**tiny_run, "method": {"name": f"mine:{name}"}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    done = driftseg(tmp_path, "run", "run.yaml")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == f"error: method mine:{name}: {message}"
    assert (len(lines) > 1) == traceback
    assert ("mine.py" in done.stderr) == traceback
    assert "src/driftseg" not in done.stderr


LEARNER = r"""
from driftseg.control.when import Always
from driftseg.learners.settings import Composition, MethodSettings, Needs
class Own(MethodSettings):
    name: str
    def needs(self):
        return Needs(("norms",))
    def make(self, supplies):
        return Composition(Learner(), Always())
class Learner:
    keeps_graph = False
    updates = 0
    def look(self, answer):
        pass
    def learn(self, answer, order):
        raise ValueError("three\nlines")
    def state_dict(self):
        return {}
    def load_state_dict(self, state):
        pass
"""


def test_a_method_that_fails_while_it_learns(tmp_path: Path, tiny_run: dict) -> None:
    """One line, then the traceback of the user's own code; the run leaves nothing behind."""
    (tmp_path / "mine.py").write_text(LEARNER)
    values = {**tiny_run, "method": {"name": "mine:Own"}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    done = driftseg(tmp_path, "run", "run.yaml")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == (
        "error: method mine:Own: expected its code to work, got ValueError: three. To fix: correct "
        "the method, see the traceback below"
    )
    assert "mine.py" in done.stderr
    assert "src/driftseg" not in done.stderr
    (folder,) = Path(tiny_run["out"]).iterdir()  # what was recorded before stays
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"


def test_an_encoder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from torch import nn\ndef make():\n    return nn.ReLU()\n")
    done = driftseg(tmp_path, "check", "encoder", "mine:make")
    assert done.returncode == 2
    assert "got mine:make, which makes a ReLU" in done.stderr
    assert len(done.stderr.splitlines()) == 1
