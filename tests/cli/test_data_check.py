"""driftseg data check as a user meets it."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def check(driftseg):
    """The command in this process; `test_without_torch.py` has it in one of its own."""
    return partial(driftseg, "data", "check")


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    for i in range(2):
        for name, array in (
            ("in", np.full((24, 32, 3), 50 * i, np.uint8)),
            ("ids", np.arange(24 * 32).reshape(24, 32).astype(np.uint8) % 11),
        ):
            (tmp_path / "drive" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / "drive" / name / f"{i}.png")
    return tmp_path / "drive"


def test_exit_codes_say_how_bad_it_is(check, drive: Path) -> None:
    images, labels = drive / "in", drive / "ids"
    fine = check(images, "--labels", labels)
    assert fine.returncode == 0, fine.stderr
    for told in ("a folder of images (folder)", "camvid11", "32x24 (2)", "8-bit grey PNG (2)",
                 "pedestrian", "no faults"):  # fmt: skip
        assert told in fine.stdout
    (labels / "1.png").unlink()
    warned = check(images, "--labels", labels)
    assert warned.returncode == 1
    assert "warning: images have no label" in warned.stdout
    assert "found 1 warning\n" in warned.stdout
    (drive / "none").mkdir()
    bare = check(images, "--labels", drive / "none")
    assert bare.returncode == 2
    assert "error: no label is a PNG with the name of an image" in bare.stdout
    (images / "0.png").write_bytes(b"no image")
    wrong = check(images, "--labels", labels, "--quick")
    assert wrong.returncode == 2
    assert "error: images cannot be decoded; mend or remove them (1)" in wrong.stdout
    assert "in/0.png" in wrong.stdout
    assert "found 1 error and 1 warning\n" in wrong.stdout
    assert wrong.stderr == ""


def test_what_driftseg_weather_makes_is_a_dataset(
    driftseg, check, drive: Path, tmp_path: Path
) -> None:
    made = driftseg(
        "weather", drive / "in", "--fog", "75", "375", "--out", tmp_path / "set", "--workers", "1"
    )
    assert made.returncode == 0, made.stderr
    done = check(tmp_path / "set")
    assert done.returncode == 0, done.stdout
    for told in (
        "a weather set of a folder of images (weather_set)",
        "fog/375m",
        "no faults",
    ):
        assert told in done.stdout


def test_what_it_writes(check, drive: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "check"
    done = check(drive / "in", "--labels", drive / "ids", "--out", out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["class_shares.png", "report.json"]
    assert json.loads((out / "report.json").read_text())["severity"] == "note"
    with Image.open(out / "class_shares.png") as picture:
        assert picture.width > 900
    assert check(drive / "in", "--out", tmp_path / "bare").returncode == 0
    assert [path.name for path in (tmp_path / "bare").iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "error: gone: expected the folder of a dataset, got a path where there is none"),
        (
            ["IN", "--layout", "kitti"],
            "expected one of weather_cityscapes, foggy_cityscapes, "
            "cityscapes, idd, idd_lite, acdc, dark_zurich, shift,",
        ),
        (
            ["IN", "--label-space", "mars"],
            "error: label_space: expected a known label space, got 'mars'",
        ),
        (["IN", "--out", "IN/report"], "expected a folder outside the dataset, got one inside"),
        (["IN", "--out", "IN/0.png/x"], "expected a folder outside the dataset, got one inside"),
        (
            ["IN", "--out", "FILE/x"],
            "expected a folder that can be written to, got an error (Not a directory)",
        ),
    ],
)
def test_mistakes_are_one_line(check, arguments: list[str], message: str, drive: Path) -> None:
    file = drive / "notes.txt"
    file.write_text("no folder")
    told = [a.replace("IN", str(drive / "in")).replace("FILE", str(file)) for a in arguments]
    done = check(*told)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_folder_that_is_not_there_leaves_none_behind(check, tmp_path: Path) -> None:
    assert check(tmp_path / "gone", "--out", tmp_path / "report").returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_read_only(check, drive: Path, tmp_path: Path) -> None:
    out = tmp_path / "sealed"
    out.mkdir(mode=0o555)
    if os.access(out, os.W_OK):
        pytest.skip("whoever runs this may write everywhere (root)")
    done = check(drive / "in", "--out", out)
    assert done.returncode == 2
    assert "folder that can be written to, got an error (Permission denied)" in done.stderr
    assert list(out.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing_half_written(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftseg.api import data as api
    from driftseg.cli import data
    from driftseg.errors import InputError

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(api.os, "replace", full)
    with pytest.raises(
        InputError,
        match="expected a file that can be written, got an error "
        r"\(No space left on device\)",
    ):
        data.check(drive / "in", out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
