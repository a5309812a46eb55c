"""Datasets of a package outside of driftseg: the page's example, and what is told of mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from commands import driftseg
from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.record import read_run
from driftseg.town.town import Town

PAGE = (Path(__file__).parents[2] / "docs" / "own_datasets.md").read_text(encoding="utf-8")
CODE, SECTION = (
    re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[0] for kind in ("python", "yaml")
)


@pytest.fixture
def package(tmp_path: Path, tiny_run: dict) -> Path:
    """A folder with the page's module, its data, and a config."""
    (tmp_path / "dashcam.py").write_text(CODE)
    (tmp_path / "drive").mkdir()
    town = Town(seed=3, size=(96, 64))
    for i in range(4):
        scene = town.render(30 * i)
        np.savez(tmp_path / "drive" / f"{i}.npz", image=scene.image, label=scene.label)
    write(tmp_path, tiny_run, yaml.safe_load(SECTION)["target"])
    return tmp_path


def write(folder: Path, values: dict, target: dict) -> None:
    visits = [{"name": "dry"}, {"name": "wet", "rain": 50}]
    values = {**values, "target": target, "evaluation": None, "source": None,
              "method": {"name": "source_only"}, "schedule": visits}  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(values))


def in_a_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Where nothing but the command itself puts the folder on Python's path."""
    return subprocess.run(
        [sys.executable, "-m", "driftseg", *arguments], cwd=folder, capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    )  # fmt: skip


def test_a_run_on_the_page_s_dataset(package: Path, tiny_run: dict) -> None:
    done = in_a_process(package, "run", "run.yaml")
    assert done.returncode == 0, done.stderr
    (folder,) = Path(tiny_run["out"]).glob("*")
    found = read_run(folder)
    assert [frame["name"] for frame in found.frames] == ["0", "2", "0", "2"]
    assert all(frame["labelled"] for frame in found.frames)
    kept = found.config["target"]
    assert (kept["kind"], kept["root"], kept["every"]) == ("dashcam:DashcamSettings", "drive", 2)


def test_the_example_is_short() -> None:
    code = [line for line in CODE.splitlines() if line.strip()]
    assert len(code) <= 35


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("dashcams:DashcamSettings", "expected an installed module, got dashcams, which is "
"not found"),
        ("dashcam:Dashcams", "expected Dashcams in dashcam, got a module without it"),
        ("dashcam:Dashcam", "expected a subclass of driftseg.scenes.dataset.DatasetSettings, "
"got dashcam:Dashcam, which is the class"),
        ("bare:Settings", "expected a class with the method make, got bare:Settings without it"),
        ("towns", "expected a known dataset, got 'towns'. To fix: take one of town, camvid"),
    ],
)  # fmt: skip
def test_parts_that_are_not_there(
    kind: str, message: str, package: Path, tiny_run: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "bare.py").write_text(
        "from driftseg.scenes.dataset import DatasetSettings\n"
        "class Settings(DatasetSettings):\n    root: str\n"
    )
    monkeypatch.chdir(package)
    write(package, tiny_run, {"kind": kind, "root": "drive"})
    with pytest.raises(InputError) as caught:
        read_config(Path("run.yaml"), RunConfig)
    assert str(caught.value).startswith(f"run.yaml: target.kind: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            {"root": "drive", "evry": 2},
            "x: expected a known key, got 'target.evry'. To fix: rename it (did you mean "
            "'target.every'?)",
        ),
        ({"root": "drive", "every": "a"}, "x: target.every: expected a valid integer, got 'a'"),
        ({}, "x: target.root: expected a value, got none. To fix: set target.root, "),
    ],
)
def test_its_settings_are_checked(
    target: dict, message: str, package: Path, tiny_run: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(package)
    values = {**tiny_run, "target": {"kind": "dashcam:DashcamSettings", **target}}
    with pytest.raises(InputError) as caught:
        check(values, RunConfig, where="x")
    assert str(caught.value).startswith(message)


def test_sections_without_a_kind(tiny_run: dict) -> None:
    with pytest.raises(
        InputError,
        match=r"^x: target: expected the key kind with the name of a dataset, got none.*town",
    ):
        check({**tiny_run, "target": {"root": "drive"}}, RunConfig, where="x")
    with pytest.raises(InputError, match=r"^x: target: expected keys and values, got 'town'"):
        check({**tiny_run, "target": "town"}, RunConfig, where="x")


def test_its_own_mistakes_come_with_their_traceback(package: Path) -> None:
    broken = CODE + "\n\ndef _table():\n    return 1 / 0\n\n\n_table()\n"
    (package / "dashcam.py").write_text(broken)
    done = driftseg(package, "run", "run.yaml")
    assert done.returncode == 2
    line, *traceback = done.stderr.splitlines()
    assert line == (
        "error: run.yaml: target.kind: expected a module that can be imported, got dashcam "
        "(ZeroDivisionError: division by zero). To fix: correct the code, see the traceback below"
    )
    assert traceback[0] == "Traceback (most recent call last):"
    assert "dashcam.py" in traceback[1]
    assert "driftseg/parts.py" not in done.stderr
    assert traceback[-1] == "ZeroDivisionError: division by zero"


def test_what_it_needs_and_is_not_installed(package: Path) -> None:
    (package / "dashcam.py").write_text("import no_such_library\n" + CODE)
    done = driftseg(package, "run", "run.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: run.yaml: target.kind: expected a module that can be imported, got dashcam "
        "(No module named"
    )
    assert "dashcam.py" in done.stderr


def test_what_it_raises_while_it_is_made_is_one_line(package: Path, tiny_run: dict) -> None:
    write(package, tiny_run, {"kind": "dashcam:DashcamSettings", "root": "nowhere"})
    done = driftseg(package, "run", "run.yaml")
    assert done.returncode == 2
    assert done.stderr == "error: nowhere: wanted .npz files, found none; check root\n"


def test_a_name_by_an_entry_point(
    package: Path, tiny_run: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = package / "dashcam-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: dashcam\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[driftseg.datasets]\ndash = dashcam:DashcamSettings\n")
    monkeypatch.syspath_prepend(package)
    values = {**tiny_run, "target": {"kind": "dash", "root": str(package / "drive")}}
    target = check(values, RunConfig, where="x").target
    assert len(target.make()) == 4
    assert target.model_dump(mode="json")["kind"] == "dash"
