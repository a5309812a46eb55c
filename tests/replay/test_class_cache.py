"""Class counts are remembered by content: never stale, never needed, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from driftseg.images.reading import read_ids
from driftseg.labels import CAMVID11, CITYSCAPES19
from driftseg.replay import class_cache
from driftseg.replay.class_cache import cache_folder, counted_files, read_rows
from driftseg.replay.replay import Replay
from driftseg.replay.sampling import class_counts
from driftseg.replay.transforms import Augmentation
from driftseg.scenes.dataset import Entry, SceneFiles, select
from driftseg.scenes.folder import FolderSettings, folder
from driftseg.town.scenes import TownScenes
from driftseg.weather.random_weather import RandomWeather


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "class_counts"


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Three images with labels of one class each: 0, 1, 2."""
    for i in range(3):
        for name, array in (
            ("in", np.full((8, 10, 3), 50 * i, np.uint8)), ("ids", np.full((8, 10), i, np.uint8)),
        ):  # fmt: skip
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / name / f"{i}.png")
    return tmp_path


def scenes(drive: Path, **options: object) -> SceneFiles:
    return folder(drive / "in", **{"label_space": CAMVID11, "labels": drive / "ids", **options})  # type: ignore[arg-type]


class Counting:
    """Sees how many label files are decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.read = 0
        original = SceneFiles.scene

        def scene(files: SceneFiles, index: int):
            self.read += 1
            return original(files, index)

        monkeypatch.setattr(SceneFiles, "scene", scene)


def test_second_time_nothing_is_decoded(drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = class_counts(scenes(drive))
    assert [int(row.argmax()) for row in first] == [0, 1, 2]
    seen = Counting(monkeypatch)
    again = class_counts(scenes(drive))
    assert seen.read == 0
    assert again.dtype == first.dtype == np.int64
    assert np.array_equal(again, first)


def test_a_label_changed_in_place_is_counted_anew(
    drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same path, same number of bytes, same times: only the content tells."""
    class_counts(scenes(drive))
    path = drive / "ids" / "1.png"
    before = path.stat()
    Image.fromarray(np.full((8, 10), 7, np.uint8)).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    seen = Counting(monkeypatch)
    assert [int(row.argmax()) for row in class_counts(scenes(drive))] == [0, 7, 2]
    assert seen.read == 1


@pytest.mark.parametrize("damage", [
    lambda stored: b"", lambda stored: stored[: len(stored) // 2], lambda stored: b"rubbish" * 9,
    lambda stored: stored[:-40] + b"x" + stored[-39:], lambda stored: stored + b"x",
])  # fmt: skip
def test_a_damaged_cache_is_made_anew(drive: Path, cache: Path, damage) -> None:
    first = class_counts(scenes(drive))
    (file,) = cache.iterdir()
    stored = file.read_bytes()
    file.write_bytes(damage(stored))
    assert np.array_equal(class_counts(scenes(drive)), first)
    assert file.read_bytes() == stored


def test_a_deleted_cache_is_made_anew(drive: Path, cache: Path) -> None:
    first = class_counts(scenes(drive))
    (file,) = cache.iterdir()
    file.unlink()
    assert np.array_equal(class_counts(scenes(drive)), first)
    assert file.is_file()


def test_what_cannot_be_written_is_no_error(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = class_counts(scenes(drive))
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DRIFTSEG_CACHE", str(tmp_path / "file" / "below"))
    seen = Counting(monkeypatch)
    assert np.array_equal(class_counts(scenes(drive)), first)
    assert seen.read == 3


def test_a_full_disk_leaves_nothing_half_written(
    drive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    class_counts(scenes(drive))
    assert list(cache.iterdir()) == []


def test_what_counts_follow_from_is_told_apart(drive: Path, cache: Path) -> None:
    """Size, label space and selection each have their file; an order of scenes its own, too."""
    class_counts(scenes(drive))
    assert class_counts(scenes(drive, size=(5, 4))).sum() == 3 * 20
    assert class_counts(scenes(drive, label_space=CITYSCAPES19)).shape == (3, 19)
    part = class_counts(select(scenes(drive), start=1, where="x"))
    assert [int(row.argmax()) for row in part] == [1, 2]
    nested = select(select(scenes(drive), start=1, where="x"), exclude=["1"], where="x")
    assert [int(row.argmax()) for row in class_counts(nested)] == [2]
    assert len(list(cache.iterdir())) == 5


def test_same_bytes_under_another_name_are_another_label(drive: Path) -> None:
    """Decoders may look at the name, as that of Cityscapes does."""
    counted = counted_files(scenes(drive))
    assert counted is not None
    (drive / "ids" / "1.png").write_bytes((drive / "ids" / "0.png").read_bytes())
    class_counts(scenes(drive))
    assert len(read_rows(cache_folder() / "class_counts" / counted.key)) == 3


def test_only_what_can_be_told_is_remembered(drive: Path, cache: Path) -> None:
    """Rendered scenes, unlabelled ones, and decoders that may depend on anything."""
    assert counted_files(TownScenes(seed=1, frames=2)) is None
    assert counted_files(folder(drive / "in", label_space=CAMVID11)) is None
    entries = [Entry("0", drive / "in" / "0.png", drive / "ids" / "0.png")]
    own = SceneFiles(entries, label_space=CAMVID11, decode=lambda path: read_ids(path))
    assert counted_files(own) is None
    assert class_counts(own)[0, 0] == 80
    assert not cache.exists()


def test_several_processes_at_once(drive: Path, cache: Path) -> None:
    code = (
        "from pathlib import Path; from driftseg.replay.sampling import class_counts;"
        "from driftseg.scenes.folder import folder; from driftseg.labels import CAMVID11;"
        f"d = Path({str(drive)!r});"
        "f = lambda: class_counts(folder(d / 'in', label_space=CAMVID11, labels=d / 'ids'));"
        "[f() for _ in range(20)]; print(f().tolist())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = {process.communicate(timeout=120)[0] for process in running}
    assert answers == {f"{class_counts(scenes(drive)).tolist()}\n"}
    assert len(list(cache.iterdir())) == 1


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("DRIFTSEG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "common"))
    assert cache_folder() == tmp_path / "common" / "driftseg"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "driftseg"


class Refusing:
    """Depth that nobody may read."""

    def read(self, view: object) -> tuple[np.ndarray, str]:
        raise AssertionError("depth was read")

    def files(self, image: Path, depth: Path | None, camera: Path | None) -> list[Path]:
        return []


@pytest.mark.parametrize("weather", [None, RandomWeather(["rain"], CAMVID11, chance=1.0)])
def test_depth_is_not_read_to_replay(drive: Path, weather: RandomWeather | None) -> None:
    """Weather on replayed scenes takes it from their labels."""
    deep = select(scenes(drive).with_depth(Refusing()), stop=2, where="here")
    settings = FolderSettings(root=drive / "in", labels=drive / "ids")
    assert settings.frame_size(deep) == (10, 8)
    batches, plain = (
        Replay(
            dataset,
            augmentation=Augmentation((10, 8), weather=weather),
            generator=np.random.default_rng(0),
        )
        for dataset in (deep, select(scenes(drive), stop=2, where="here"))
    )
    for _ in range(3):
        assert torch.equal(batches.sample().images, plain.sample().images)


def test_depth_is_not_read_to_count_classes(drive: Path) -> None:
    deep = select(scenes(drive).with_depth(Refusing()), stop=2, where="here")
    with pytest.raises(AssertionError, match="depth was read"):
        deep.scene(0)
    assert class_counts(deep).tolist() == class_counts(scenes(drive))[:2].tolist()


def test_the_key_follows_from_all_code_that_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or counts would outlive the reader that made them."""
    read: list[str] = []
    original = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(f"{path.parent.name}/{path.name}")
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    class_cache._own_code.__wrapped__()
    assert {"images/reading.py", "scenes/layout.py", "labels/tables.py"} <= set(read)
