"""Datasets put into weather on disk: the same pixels as a run's, in the same layout."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.scenes.camvid import camvid
from driftseg.scenes.dataset import scene_of
from driftseg.scenes.datasets import recognise
from driftseg.scenes.depth_files import DisparityFiles
from driftseg.scenes.folder import folder
from driftseg.scenes.layout import scenes
from driftseg.weather.camera import CAMVID, CITYSCAPES
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import make_set
from weather_trees import (
    files,
    make,
    pixels,
    save,
    wanted,
    write_camvid,
    write_cityscapes,
    write_folder,
)


def record(out: Path) -> dict:
    return json.loads((out / "weather.json").read_text())


@pytest.mark.parametrize("size", [None, (48, 36)])
def test_images_are_those_that_a_run_renders_on_the_fly(tmp_path: Path, size) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, out, rain=(50.0,), fog=(150.0,), seed=4, size=size)
    stream = camvid(root, split="val", size=size)
    weather = Weather(CAMVID, CAMVID11, seed=4)
    for name, place, conditions in (
        ("rain50", "rain/50mm", Conditions(rain=50)),
        ("fog150", "fog/150m", Conditions(visibility=150)),
    ):
        on_disk = camvid(out / place, split="val")
        assert len(on_disk) == len(stream) == 3
        for i in range(3):
            scene, made = stream.scene(i), on_disk.scene(i)
            assert made.name == scene.name
            assert np.array_equal(made.image, weather.on(scene, conditions, name))
            assert not np.array_equal(made.image, scene.image)
            assert np.array_equal(made.label, scene.label)


def test_a_plain_folder_becomes_one_a_weather(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "street", labels=True)
    make(root, tmp_path / "set", rain=(25.0,), fog=(75.0,))
    for place in ("rain/25mm", "fog/75m"):
        made = folder(
            tmp_path / "set" / place, label_space=CAMVID11,
            labels=tmp_path / "set" / place / "labels",
        )  # fmt: skip
        assert [made.name(i) for i in range(len(made))] == ["frame0", "frame1", "frame2"]
        assert made.scene(1).label is not None


def test_labels_elsewhere_are_linked_beside_their_images(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "all", labels=True)
    (root / "labels").rename(tmp_path / "ids")
    found = folder(root, label_space=CAMVID11, labels=tmp_path / "ids")
    make(root, tmp_path / "set", scenes=found)
    assert (tmp_path / "set" / "rain" / "50mm" / "labels" / "frame2.png").is_file()


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path / "all", labels=True)
    (root / "labels").rename(tmp_path / "ids")
    make(root, tmp_path / "set", scenes=folder(root, label_space=CAMVID11, labels=tmp_path / "ids"))
    monkeypatch.chdir(tmp_path)
    found = folder(Path("all"), label_space=CAMVID11, labels=tmp_path / "ids")
    again = make(Path("all"), Path("set"), scenes=found)
    assert (again.made, again.kept) == (0, 3)


def test_cityscapes_is_laid_out_as_published(tmp_path: Path) -> None:
    root, out = write_cityscapes(tmp_path / "cityscapes"), tmp_path / "set"
    make(root, out, rain=(100.0,), fog=(375.0,), camera=CITYSCAPES)
    images = out / "leftImg8bit" / "val"
    name = "bern_000000_000019_leftImg8bit.png"
    assert (images / "rain" / "100mm" / "rainy_image" / "bern" / name).is_file()
    assert (images / "fog" / "375m" / "bern" / name).is_file()
    label = out / "gtFine" / "val" / "ulm" / "ulm_000001_000019_gtFine_labelIds.png"
    assert label.is_symlink()
    assert not os.readlink(label).startswith("/")
    assert len([path for path in files(out) if path.endswith(".png")]) == 6


def test_cityscapes_in_weather_is_read_as_published(tmp_path: Path) -> None:
    root, out = write_cityscapes(tmp_path / "cityscapes"), tmp_path / "set"
    domains = weather_domains(rain=(100.0,), fog=(375.0,), night=(1.0,), snow=(2.5,))
    asked = wanted(root, camera=CITYSCAPES)
    make_set(replace(asked, domains=domains), out)
    layout = recognise(out)
    assert layout is not None
    assert layout.name == "weather_cityscapes"
    for domain in domains:
        made = scenes(layout, out, split="val", domain=domain.folder)
        assert [made.name(i) for i in range(len(made))] == [
            f"{domain.folder}/bern_000000_000019", f"{domain.folder}/ulm_000001_000019"
        ]  # fmt: skip
        assert scene_of(made.name(0)) == asked.scenes.name(0)
        assert np.array_equal(made.scene(0).label, asked.scenes.scene(0).label)


def test_disparity_is_used_where_it_is_asked_for(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path / "cityscapes")
    plain = wanted(root, camera=CITYSCAPES)
    reader = DisparityFiles(CITYSCAPES, plain.scenes.label_space)
    deep = wanted(
        root, camera=CITYSCAPES, scenes=plain.scenes.with_depth(reader), depth="disparity"
    )
    one, two = make_set(plain, tmp_path / "plain"), make_set(deep, tmp_path / "deep")
    assert [source.split(";")[0] for source in one.depths] == ["road-plane depth"]
    assert [source.startswith("stereo disparity") for source in two.depths] == [True]
    image = "leftImg8bit/val/rain/50mm/rainy_image/bern/bern_000000_000019_leftImg8bit.png"
    assert not np.array_equal(pixels(tmp_path / "plain" / image), pixels(tmp_path / "deep" / image))
    read = record(tmp_path / "deep")["images"]["leftImg8bit/val/bern/bern_000000_000019"
                                               "_leftImg8bit.png"]["read"]  # fmt: skip
    assert [state["file"].split("/")[0] for state in read] == [
        "leftImg8bit", "gtFine", "disparity", "camera"
    ]  # fmt: skip


def test_the_record_says_how_every_image_was_made(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    outcome = make(root, out, seed=7, severity=0.5)
    assert (outcome.made, outcome.kept, outcome.unreadable) == (3, 0, {})
    told = record(out)
    assert told["settings"]["seed"] == 7
    assert told["settings"]["severity"] == 0.5
    assert told["driftseg"]
    assert told["settings"]["camera"]["horizon"] == 0.42
    assert told["domains"]["rain50"]["extinction_per_kilometre"] == pytest.approx(4.2901 / 2, 1e-4)
    image = told["images"]["val/0016E5_00000.png"]
    assert image["read"][0]["file"] == "val/0016E5_00000.png"
    assert image["depth"].startswith("road-plane depth")
    assert image["label"] == "valannot/0016E5_00000.png"
    assert image["made"]["rain50"]["label"]["put"] == "symbolic link"
    assert image["made"]["rain50"]["label"]["file"] == "rain/50mm/valannot/0016E5_00000.png"
    assert image["made"]["rain50"]["conditions"] == "rain 50 mm/h"
    assert image["made"]["rain50"]["seed"][0] == 7
    assert len(image["made"]["rain50"]["digest"]) == 64
    assert not (out / "weather.journal.jsonl").exists()


def test_what_is_there_is_kept_and_what_changed_is_made_again(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    first = make(root, out, rain=(50.0, 100.0))
    assert (first.made, first.kept) == (6, 0)
    before = files(out)
    again = make(root, out, rain=(50.0, 100.0))
    assert (again.made, again.kept) == (0, 6)
    assert files(out) == before
    # A copy of the set has other times, but the same digests.
    os.utime(out / "rain" / "50mm" / "val" / "0016E5_00001.png")
    assert make(root, out, rain=(50.0, 100.0)).kept == 6
    (out / "rain" / "50mm" / "val" / "0016E5_00001.png").write_bytes(b"spoilt")
    (out / "rain" / "100mm" / "valannot" / "0016E5_00000.png").unlink()
    mended = make(root, out, rain=(50.0, 100.0))
    assert (mended.made, mended.kept) == (1, 5)
    after = files(out)
    after.pop("weather.json")
    before.pop("weather.json")
    assert after == before


def test_another_weather_joins_those_that_are_there(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, out, rain=(50.0,))
    added = make(root, out, rain=(100.0,))
    assert (added.made, added.kept) == (3, 0)
    assert list(record(out)["domains"]) == ["rain50", "rain100"]
    assert set(record(out)["images"]["val/0016E5_00002.png"]["made"]) == {"rain50", "rain100"}


@pytest.mark.parametrize("changed", ["val/0016E5_00001.png", "valannot/0016E5_00001.png"])
def test_a_changed_source_is_made_again_and_never_left_beside_old_images(
    tmp_path: Path, changed: str
) -> None:
    """A label counts, since depth follows from it."""
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, out, rain=(50.0,), fog=(75.0,))
    values = pixels(root / changed).copy()
    values[:30] = 0
    save(root / changed, values)
    redone = make(root, out, rain=(50.0,))
    assert (redone.made, redone.kept) == (1, 2)
    assert set(record(out)["images"]["val/0016E5_00001.png"]["made"]) == {"rain50"}
    assert not (out / "fog" / "75m" / "val" / "0016E5_00001.png").exists()
    assert (out / "fog" / "75m" / "val" / "0016E5_00002.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed 0 before, now 1"),
        ({"severity": 2.0}, r"severity 1\.0 before, now 2\.0"),
        ({"size": (48, 36)}, r"size null before, now \[48, 36\]"),
        ({"kind": "jpg"}, "format"),
        ({"camera": CITYSCAPES}, "camera"),
    ],
)
def test_other_settings_are_not_mixed_in(tmp_path: Path, change, message: str) -> None:
    root, out = write_camvid(tmp_path / "camvid", 1), tmp_path / "set"
    make(root, out)
    before = files(out)
    with pytest.raises(InputError, match=message):
        make(root, out, **change)
    assert files(out) == before


def test_unreadable_images_are_counted_and_the_others_made(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    whole = (root / "val" / "0016E5_00001.png").read_bytes()
    (root / "val" / "0016E5_00001.png").write_bytes(whole[: len(whole) // 2])
    outcome = make(root, out)
    assert outcome.made == 2
    assert list(outcome.unreadable) == ["val/0016E5_00001.png"]
    assert list(record(out)["unreadable"]) == ["val/0016E5_00001.png"]
    assert not (out / "rain" / "50mm" / "val" / "0016E5_00001.png").exists()
    (root / "val" / "0016E5_00001.png").write_bytes(whole)
    mended = make(root, out)
    assert (mended.made, mended.kept, mended.unreadable) == (1, 2, {})


def test_a_link_to_nowhere_is_counted_like_any_unreadable_image(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid", 2), tmp_path / "set"
    image = root / "val" / "0016E5_00000.png"
    image.unlink()
    image.symlink_to(tmp_path / "nowhere.png")
    outcome = make(root, out)
    assert outcome.made == 1
    assert (
        "expected a readable file, got an error (No such file or directory)"
        in outcome.unreadable["val/0016E5_00000.png"]
    )


def test_mixed_sizes_keep_their_own(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "street")
    save(root / "small.png", np.full((24, 40, 3), 90, np.uint8))
    make(root, tmp_path / "set")
    assert pixels(tmp_path / "set" / "rain" / "50mm" / "small.png").shape == (24, 40, 3)
    with pytest.raises(
        InputError, match="expected an image of at least 64x48, the size of the run, got 40x24"
    ):
        make(root, tmp_path / "other", size=(64, 48))
    assert not [name for name in files(tmp_path / "other") if name.endswith(".partial")]


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "street", 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder to write to, got a file"):
        make(root, tmp_path / "file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("dear")
    with pytest.raises(
        InputError,
        match="expected a new or empty folder, or one of driftseg "
        r"weather, got files without weather\.json",
    ):
        make(root, tmp_path / "full")
    Image.new("RGB", (64, 48)).save(root / "frame0.bmp")
    with pytest.raises(
        InputError,
        match=r"expected different names after conversion to \.png, "
        "got",
    ):
        make(root, tmp_path / "set")


def test_jpeg_and_names(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "street", 1)
    make(root, tmp_path / "set", kind="jpg")
    with Image.open(tmp_path / "set" / "rain" / "50mm" / "frame0.jpg") as picture:
        assert picture.format == "JPEG"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "expected some weather, got none"),
        ({"rain": (0.0,)}, "rain: expected a value above 0, got 0, which is no weather"),
        ({"rain": (-1.0,)}, "rain: expected a finite number of 0 or more, got -1"),
        ({"rain": (5.0, 5.0)}, "expected every weather once, got rain5 twice"),
        ({"fog": (0.0,)}, "visibility: expected metres above 0, got 0"),
        ({"night": (2.0,)}, "night: expected a number from 0 to 1, got 2"),
        ({"fog": (75.0,), "wet_road": 1.0}, "wet_road: expected rain beside it, got none"),
        ({"snow": (1.0,), "lens_drops": 0.1}, "lens_drops: expected rain beside it, got none"),
        ({"fog": (75.0,), "snow_cover": 0.1}, "snow_cover: expected snow beside it, got none"),
        ({"fog": (math.inf,)}, "fog: expected a finite visibility, got inf, which is no weather"),
    ],
)
def test_weather_that_cannot_be(asked, message: str) -> None:
    with pytest.raises(InputError, match=message):
        weather_domains(**asked)


def test_snow_lies_only_where_labels_tell_what_is_ground() -> None:
    (snow,) = weather_domains(snow=(1.0,))
    assert snow.on(labelled=True) == Conditions(snow=1.0, snow_cover=0.6)
    assert snow.on(labelled=False) == Conditions(snow=1.0)
    assert (snow.name, snow.folder) == ("snow1", "snow/1mm")
