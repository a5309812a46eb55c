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
from written_runs import write_run

SIZE = (96, 64)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Images and labels of a short drive, and two runs."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(3):
        scene = Town(seed=1, size=SIZE).render(40 * i)
        Image.fromarray(scene.image).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(scene.label).save(tmp_path / "labels" / f"{i}.png")
    for method in ("source_only", "dacs"):
        write_run(tmp_path / "runs", method=method)
    return tmp_path


def without_torch(
    folder: Path, *arguments: str, start: tuple[str, ...] = ("-m", "driftseg")
) -> subprocess.CompletedProcess[str]:
    """Runs a command where no process, not even a worker, can import torch."""
    trap = folder / "trap" / "torch"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("raise RuntimeError('torch is imported')\n")
    source = Path(driftseg.__file__).parents[1]
    path = os.pathsep.join([str(trap.parent), str(source), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([name, "--help"] for name in ("run", "train", "weather", "report", "data", "compare")),
        ["sweep", "--help"],
        ["tune", "--help"],
        ["runs", "method=dacs", "--csv"],
        ["compare", "runs", "--out", "table.md"],
        ["data", "check", "images", "--labels", "labels"],
        ["weather", "images", "--labels", "labels", "--out", "made", "--rain", "50",
         "--workers", "2", "--camera-set", "exposure=12"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)  # fmt: skip
def test_torch_is_not_imported(arguments: list[str], drive: Path) -> None:
    done = without_torch(drive, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import driftseg; dir(driftseg); driftseg.__version__",
        "import driftseg; driftseg.check_data('images', labels='labels', out='report')",
        "import driftseg; driftseg.make_weather_set('images', 'made', labels='labels', rain=50, "
        "label_space='camvid11', wet_road=1)",
        "from driftseg import weather; weather.rain('images/0.png')",
        "from driftseg import weather; weather.wet_road('images/0.png', label='labels/0.png', "
        "label_space='camvid11')",
    ],
)
def test_calls_do_without_torch(code: str, drive: Path) -> None:
    done = without_torch(drive, code, start=("-c",))
    assert done.returncode == 0, done.stderr


def test_the_trap_works(drive: Path) -> None:
    done = without_torch(drive, "inspect", "no.safetensors")
    assert "torch is imported" in done.stderr
