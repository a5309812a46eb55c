"""Which images driftseg weather takes, which it leaves out, and that it touches none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import layout_trees
from driftseg.town.town import Town
from weather_command import pictures, weather


def write_street(root: Path, count: int) -> Path:
    root.mkdir()
    town = Town(seed=3, size=(160, 120))
    for i in range(count):
        Image.fromarray(town.render(20 * i).image).save(root / f"frame{i}.png")
    return root


def test_labels_that_do_not_fit_are_told_by_name_and_the_rest_is_made(tmp_path: Path) -> None:
    """As GTA5 has some, which its authors list."""
    root, out = tmp_path / "gta5", tmp_path / "set"
    layout_trees.gta5(root)
    label = root / "labels" / "00001.png"
    with Image.open(label) as picture:
        picture.resize((95, 64)).save(label)
    for made, workers in ((1, 2), (0, 1)):
        done = weather(root, "--rain", 50, "--out", out, "--workers", workers)
        assert done.returncode == 1
        assert f"{made} images made" in done.stdout
        assert "1 images could not be used; the others are made" in done.stdout
        assert "1.png: expected a label of its image's size 96x64, got 95x64" in done.stdout
        assert not done.stderr
    done = weather(root, "--rain", 50, "--out", out, "--exclude", "00001", "--workers", 1)
    assert done.returncode == 0, done.stdout
    assert "0 images made, 1 exist already" in done.stdout


def test_images_by_name(tmp_path: Path) -> None:
    street = write_street(tmp_path / "street", 10)
    done = weather(
        street, "--fog", 75, "--size", "40x30", "--out", tmp_path / "set", "--workers", 1,
        "--include", "frame[1-4]", "--include", "frame9", "--exclude", "*2", "--limit", 3,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in pictures(tmp_path / "set")) == [
        "frame1", "frame3", "frame4"
    ]  # fmt: skip
    nothing = weather(street, "--fog", 75, "--out", tmp_path / "other", "--include", "photo*")
    assert nothing.returncode == 2
    assert "expected scenes for include=['photo*'] exclude=[]" in nothing.stderr


def test_many_reasons_are_in_the_record(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    for i in range(24):
        (tmp_path / "street" / f"frame{i}.png").write_bytes(b"no picture")
    done = weather(tmp_path / "street", "--fog", 75, "--out", tmp_path / "set", "--workers", 1)
    assert done.returncode == 1
    assert done.stdout.count("expected an image that can be decoded") == 20
    assert "and 4 more, see unreadable in the record" in done.stdout
    told = json.loads((tmp_path / "set" / "weather.json").read_text())
    assert len(told["unreadable"]) == 24


def test_a_split_that_is_away_is_left_alone(tmp_path: Path) -> None:
    root, out = tmp_path / "camvid", tmp_path / "set"
    layout_trees.camvid(root)
    assert weather(root, "--fog", 75, "--out", out, "--workers", 1).returncode == 0
    before = pictures(out)
    (root / "train").rename(tmp_path / "away")
    done = weather(root, "--fog", 75, "--split", "val", "--out", out, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "gone" not in done.stdout
    assert pictures(out) == before
    done = weather(root, "--fog", 75, "--out", out, "--workers", 1)
    assert "2 source images are gone, so their weather images are removed" in done.stdout
    assert not (out / "fog" / "75m" / "train").exists()


@pytest.mark.parametrize(
    ("images", "out"), [("street", "street"), ("street", "street/set"), ("street", "link/set"),
                        ("link", "street/set"), ("street", ".")]
)  # fmt: skip
def test_relative_paths_do_not_hide_that_a_set_lies_in_its_source(
    images: str, out: str, tmp_path: Path
) -> None:
    write_street(tmp_path / "street", 1)
    (tmp_path / "link").symlink_to("street")
    done = weather(images, "--fog", 75, "--out", out, "--workers", 1, here=tmp_path)
    assert done.returncode == 2
    assert "whose files are never changed, got one in or around it" in done.stderr
    assert [path.name for path in (tmp_path / "street").iterdir()] == ["frame0.png"]
