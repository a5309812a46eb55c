"""Commands that only look at pictures, or make some, do without torch and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import driftseg
from driftseg.town.town import Town

SIZE = (96, 64)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Images and labels of a short drive."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(3):
        scene = Town(seed=1, size=SIZE).render(40 * i)
        Image.fromarray(scene.image).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(scene.label).save(tmp_path / "labels" / f"{i}.png")
    return tmp_path


def without_torch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command where no process, not even a worker, can import torch."""
    trap = folder / "trap" / "torch"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("raise RuntimeError('torch is imported')\n")
    source = Path(driftseg.__file__).parents[1]
    path = os.pathsep.join([str(trap.parent), str(source), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "driftseg", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([name, "--help"] for name in ("run", "train", "weather", "report", "data")),
        ["data", "check", "images", "--labels", "labels"],
        ["weather", "images", "--labels", "labels", "--out", "made", "--rain", "50",
         "--workers", "2", "--camera-set", "exposure=12"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)  # fmt: skip
def test_torch_is_not_imported(arguments: list[str], drive: Path) -> None:
    done = without_torch(drive, *arguments)
    assert done.returncode == 0, done.stderr


def test_the_trap_works(drive: Path) -> None:
    done = without_torch(drive, "inspect", "no.safetensors")
    assert "torch is imported" in done.stderr
