"""Which data a run had, as its record tells it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from whole_runs import play

from driftseg.labels import CAMVID11
from driftseg.runs.data import RunData, digest
from driftseg.scenes.dataset import Dataset, select
from driftseg.scenes.folder import FolderSettings, folder
from driftseg.town.scenes import TownScenes


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    for number in range(3):
        for name, size in (("in", (8, 10, 3)), ("ids", (8, 10))):
            (tmp_path / name).mkdir(exist_ok=True)
            path = tmp_path / name / f"{number}.png"
            Image.fromarray(np.full(size, number, np.uint8)).save(path)
    return tmp_path


def scenes(drive: Path) -> Dataset:
    return folder(drive / "in", label_space=CAMVID11, labels=drive / "ids")


class TestDigest:
    def test_is_the_same_wherever_the_files_lie(self, drive: Path, tmp_path: Path) -> None:
        shutil.copytree(drive / "in", tmp_path / "moved" / "in")
        shutil.copytree(drive / "ids", tmp_path / "moved" / "ids")
        assert digest(scenes(drive)) == digest(scenes(tmp_path / "moved"))
        assert len(digest(scenes(drive))) == 12

    @pytest.mark.parametrize("changed", ["in", "ids"])
    def test_tells_of_another_file(self, drive: Path, changed: str) -> None:
        before = digest(scenes(drive))
        path = drive / changed / "1.png"
        path.write_bytes(path.read_bytes() + b" ")
        assert digest(scenes(drive)) != before

    def test_tells_of_other_scenes_and_their_order(self, drive: Path) -> None:
        whole = scenes(drive)
        chosen = select(whole, stop=2, where="here")
        turned = select(whole, stop=2, where="here")
        turned.indices.reverse()
        assert len({digest(each) for each in (whole, chosen, turned)}) == 3

    def test_of_scenes_that_are_no_files(self) -> None:
        first, again, other = (TownScenes(seed=seed, frames=2) for seed in (1, 1, 2))
        assert digest(first) == digest(again) != digest(other)


def test_a_run_tells_its_weights_and_data(tiny_run: dict) -> None:
    done = play(tiny_run, method={"name": "source_only"})
    data = done.environment["data"]
    assert {name: facts["scenes"] for name, facts in data.items()} == {
        "target": 8, "source": 4, "evaluation": 1,
    }  # fmt: skip
    assert len({facts["digest"] for facts in data.values()}) == 3
    assert len(done.environment["weights_digest"]) == 12


def test_every_dataset_is_closed_whatever_another_does(drive: Path, monkeypatch) -> None:
    closed = []

    def fail(where: str) -> None:
        closed.append(where)
        raise OSError("unplugged")

    data = RunData()
    for where in ("target", "source"):
        opened = data.open(where, FolderSettings(root=drive / "in"), None)
        opened.dataset.close = lambda where=where: fail(where)
    with pytest.raises(OSError, match="unplugged"):
        data.close()
    assert sorted(closed) == ["source", "target"]
