"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "driftseg"
GROUND = {"errors", "frame", "labels", "settings", "parts", "images"}
WORLD = {"weather", "scenes", "town", "stream", "replay", "weather_sets", "checking"}
MIND = {"control", "learners", "methods"}
DESK = {"config", "training", "evaluation", "runs", "report", "finding", "sweeps"}
DOORS = {"saving", "live", "exporting", "trackers"}

EVERYTHING = GROUND | WORLD | MIND | DESK | DOORS | {"models", "conformance"}

ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "frame": set(),
    "settings": set(),
    "parts": {"errors"},
    "labels": {"errors", "settings"},
    "images": {"errors", "frame", "labels"},
    "assets": set(),
    "models": GROUND,
    "exporting": GROUND | {"models"},
    "weather": GROUND,
    "scenes": GROUND | {"weather"},
    "town": GROUND | {"weather", "scenes"},
    "stream": GROUND | {"weather", "scenes"},
    "replay": GROUND | {"weather", "scenes"},
    "weather_sets": GROUND | {"weather", "scenes", "stream"},
    "checking": GROUND | {"scenes", "weather_sets"},
    "control": GROUND,
    "learners": GROUND | {"models", "control"},
    "methods": GROUND | {"models", "control", "learners"},
    "trackers": GROUND | {"evaluation"},
    "config": GROUND | WORLD | MIND | {"models", "trackers"},
    "evaluation": GROUND,
    "training": GROUND | {"models", "replay", "scenes", "evaluation"},
    "runs": GROUND
    | WORLD
    | MIND
    | {"models", "config", "training", "evaluation", "saving", "trackers"},
    "sweeps": GROUND | {"config", "evaluation", "runs", "report", "scenes", "stream"},
    "report": GROUND | {"runs", "evaluation", "weather_sets"},
    "finding": GROUND | {"runs", "report"},
    "saving": GROUND,
    "live": GROUND | {"saving"},
    "conformance": GROUND | WORLD | MIND | {"models", "runs"},
    "metrics": {"evaluation"},
    "api": EVERYTHING,
    "cli": {"api", "config", "report", "errors", "labels"},
    "__main__": {"cli"},
}
"""docs/architecture.md, executable."""


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_rooms_import_only_what_they_may(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "driftseg" and len(parts) > 1 and parts[1] in ROOMS:
            assert parts[1] in ROOMS[here] | {here}, f"{path}: {here} may not import {name}"


def test_reports_read_records_alone() -> None:
    for path in (SOURCE / "report").glob("*.py"):
        for name in imports_of(path):
            assert "torch" not in name.split(".")
            if name.startswith("driftseg.runs"):
                assert name.startswith("driftseg.runs.record")


def test_models_do_without_torchvision() -> None:
    for path in modules():
        assert not any(n.split(".")[0] in ("torchvision", "timm") for n in imports_of(path)), path


@pytest.mark.parametrize("path", [*modules(), *sorted((ROOT / "tests").rglob("*.py"))], ids=str)
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports them by it, wherever they lie."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert len(names) == len(set(names))


def test_architecture_page_lists_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in ROOMS:
        assert re.search(rf"`{name}(\.py|/)`", page), f"docs/architecture.md does not list {name}"


def test_every_example_is_a_valid_config() -> None:
    from driftseg.config.reading import read_config
    from driftseg.config.run import RunConfig
    from driftseg.config.train import TrainConfig
    from driftseg.sweeps.expansion import expand, read_sweep
    from driftseg.sweeps.tuning_file import read_tuning

    paths = sorted((ROOT / "examples").glob("*.yaml"))
    assert paths
    for path in paths:
        if path.name.startswith("sweep_"):
            assert expand(read_sweep(path), path.name).points
            continue
        if path.name.startswith("tune_"):
            assert read_tuning(path).methods
            continue
        kind = TrainConfig if "steps" in yaml.safe_load(path.read_text()) else RunConfig
        read_config(path, kind, data=Path("camvid"))


def test_bundled_checkpoint_is_small_and_whole() -> None:
    from driftseg.models.checkpoints import load_checkpoint

    path = SOURCE / "assets" / "town_efficientnet_lite0.safetensors"
    assert path.stat().st_size <= 8_000_000
    _, info = load_checkpoint(path)
    assert info.encoder == "efficientnet_lite0"
    assert info.half
    assert info.early_head


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=str
)
def test_pages_name_files_that_there_are(page: Path) -> None:
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)", page.read_text(encoding="utf-8")))
    places = (ROOT, ROOT / "src" / "driftseg")
    assert not [name for name in named if not any((place / name).is_file() for place in places)]


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=str)
def test_benchmarks_import_what_there_is(path: Path) -> None:
    """They are run by hand, and seldom: a name that has moved would be found late."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("driftseg"):
            module = importlib.import_module(node.module)
            for name in (each.name for each in node.names):
                found = hasattr(module, name)
                assert found or importlib.util.find_spec(f"{node.module}.{name}"), name


def test_an_option_of_several_commands_is_defined_once() -> None:
    """In cli/options.py: two definitions would soon say two things."""
    found: dict[str, list[str]] = {}
    for path in sorted((SOURCE / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("typer."):
                for word in node.keywords:
                    if word.arg == "help":
                        found.setdefault(ast.unparse(word.value), []).append(path.name)
    assert len(found) > 100
    assert not {told: where for told, where in found.items() if len(where) > 1}
