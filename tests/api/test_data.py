"""Datasets looked through and put into weather by a call, as the commands do it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import driftseg
import layout_trees
from driftseg.api.data import Progress, WeatherSet
from driftseg.api.stated import stated_camera
from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.scenes.depth_files import DepthFilesSettings
from driftseg.town.town import Town
from driftseg.weather.camera import CAMVID, CITYSCAPES, TOWN
from weather_command import pictures, weather


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Images and labels of a short drive."""
    for i in range(3):
        scene = Town(seed=1, size=(96, 64)).render(40 * i)
        for name, array in (("images", scene.image), ("labels", scene.label)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_a_dataset_is_looked_through(street: Path) -> None:
    told: list[tuple[int, int]] = []
    found = driftseg.check_data(
        str(street / "images"), labels=str(street / "labels"), label_space="camvid11",
        out=str(street / "report"), workers=1, watch=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert (found.severity, found.labels_counted, found.layout) == ("note", 3, "folder")
    assert told == [(1, 3), (2, 3), (3, 3)]
    written = json.loads((street / "report" / "report.json").read_text())
    assert written == json.loads(json.dumps(found.to_json()))
    assert (street / "report" / "class_shares.png").is_file()


def test_classes_of_ones_own(street: Path) -> None:
    names = [f"kind {i}" for i in range(11)]
    (street / "mine.yaml").write_text(json.dumps({"classes": names}))
    for given in (names, [{"name": name} for name in names], street / "mine.yaml"):
        found = driftseg.check_data(street / "images", labels=street / "labels", classes=given)
        assert found.label_space.classes == tuple(names)
        assert not found.classes_assumed
    space = driftseg.check_data(
        street / "images", labels=street / "labels", label_space=CAMVID11
    ).label_space
    assert space == CAMVID11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_space": "mars"}, r"^label_space: expected a known label space, got 'mars'"),
        (
            {"classes": "mars"},
            r"^classes: expected a known label space or a file of classes, "
            "got 'mars'",
        ),
        (
            {"classes": ["road", "road"]},
            "arguments: classes: expected a different name for "
            "every class, got road more than once",
        ),
        (
            {"classes": ["a"], "label_space": "camvid11"},
            "expected label_space or classes, got both",
        ),
        (
            {"layout": "kitti"},
            "expected one of weather_cityscapes, foggy_cityscapes, "
            "cityscapes, idd, idd_lite, acdc, dark_zurich, shift,",
        ),
        ({"workers": 0}, "workers: expected a whole number of 1 or more, got 0"),
    ],
)
def test_what_a_check_refuses(street: Path, arguments, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        driftseg.check_data(street / "images", **arguments)
    assert "--" not in str(caught.value)


def test_a_report_never_lies_in_the_dataset(street: Path) -> None:
    with pytest.raises(InputError, match="expected a folder outside the dataset, got one inside"):
        driftseg.check_data(street / "images", out=street / "images" / "report")
    assert not (street / "images" / "report").exists()


def test_it_makes_what_the_command_makes(street: Path) -> None:
    begun: list[WeatherSet] = []
    moments: list[Progress] = []
    outcome = driftseg.make_weather_set(
        street / "images", street / "called", labels=street / "labels", label_space="camvid11",
        rain=(25, 100), fog=75, snow=[1], snow_cover=0.5, wet_road=0.5, seed=4,
        camera={"preset": "camvid", "exposure": 8}, exclude=["2"], begun=begun.append,
        watch=moments.append,
    )  # fmt: skip
    assert (outcome.made, outcome.kept, outcome.unreadable) == (8, 0, {})
    assert [(moment.done, moment.total) for moment in moments] == [(4, 8), (8, 8)]
    assert [domain.name for domain in begun[0].domains] == ["rain25", "rain100", "fog75", "snow1"]
    assert outcome.page == street / "called" / "preview.html"
    assert outcome.page.is_file()
    done = weather(
        street / "images", "--labels", street / "labels", "--label-space", "camvid11",
        "--rain", 25, 100, "--fog", 75, "--snow", 1, "--snow-cover", 0.5, "--wet-road", 0.5,
        "--seed", 4, "--camera", "camvid", "--camera-set", "exposure=8", "--exclude", "2",
        "--out", street / "typed", "--workers", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [json.loads((street / n / "weather.json").read_text()) for n in ("called", "typed")]
    assert records[0]["settings"] == records[1]["settings"]
    digests = [
        {(source, name): made["digest"] for source, image in record["images"].items()
         for name, made in image["made"].items()}
        for record in records
    ]  # fmt: skip
    assert digests[0] == digests[1]
    assert len(digests[0]) == 8
    again = driftseg.make_weather_set(
        street / "images", street / "typed", labels=street / "labels", label_space="camvid11",
        rain=(25.0, 100.0), fog=75, snow=[1], snow_cover=0.5, wet_road=0.5, seed=4,
        camera={"preset": "camvid", "exposure": 8}, exclude=["2"],
    )  # fmt: skip
    assert (again.made, again.kept) == (0, 8)


def test_depth_pictures_as_a_dict_or_as_settings(street: Path) -> None:
    (street / "depth").mkdir()
    for i in range(3):
        levels = np.full((64, 96), 256 * 40, np.uint16)
        Image.fromarray(levels).save(street / "depth" / f"{i}.png")
    made = []
    for number, depth in enumerate(
        ({"files": street / "depth"}, DepthFilesSettings(files=street / "depth"), "none")
    ):
        out = street / f"set{number}"
        driftseg.make_weather_set(street / "images", out, rain=[50], depth=depth, limit=1)
        made.append(pictures(out)[0].read_bytes())
    assert made[0] == made[1] != made[2]


def test_images_that_cannot_be_used_are_told(street: Path) -> None:
    (street / "images" / "1.png").write_bytes(b"no picture")
    outcome = driftseg.make_weather_set(street / "images", street / "set", fog=75, size=(48, 32))
    assert (outcome.made, [*outcome.unreadable]) == (2, ["1.png"])


def test_a_camera_is_stated_in_many_ways() -> None:
    assert stated_camera(None, "camvid") == CAMVID
    assert stated_camera(None, "folder") == CITYSCAPES
    assert stated_camera("town", "camvid") == TOWN
    assert stated_camera(TOWN, "camvid") == TOWN
    own = stated_camera({"exposure": 12, "speed": 0}, "camvid")
    assert (own.exposure, own.speed, own.focal_length) == (12, 0, CAMVID.focal_length)
    assert stated_camera({"preset": "town", "speed": 0}, "camvid").focal_length == TOWN.focal_length
    for given, message in (
        ("phone", "camera: expected a known camera, got 'phone'"),
        ({"exposure": 0}, "camera: exposure: .*greater than 0"),
        (
            {"exposure": 1e9},
            "camera: exposure: expected a number less than or equal to 100, "
            r"got 1000000000\.0",
        ),
        ({"exposures": 3}, "exposure"),
        ({"preset": "phone"}, "camera: preset: "),
    ):
        with pytest.raises(InputError, match=message):
            stated_camera(given, "camvid")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rain": ()}, r"expected some weather, got none.*name rain"),
        ({"rain": "much"}, "rain: expected a number or several, got 'much'"),
        ({"rain": ["much"]}, r"rain: expected a number or several, got \['much'\]"),
        ({"night": True}, "night: expected a number or several, got True"),
        ({"rain": 0}, "rain: expected a value above 0, got 0, which is no weather"),
        ({"rain": (), "fog": 75, "wet_road": 1}, "wet_road: expected rain beside it, got none"),
        ({"rain": (), "fog": 75, "snow_cover": 1}, "snow_cover: expected snow beside it, got none"),
        (
            {"severity": -1},
            "severity: expected a finite number of 0 or more, got -1. To fix: give 0 or more",
        ),
        ({"seed": -1}, "seed: expected a whole number of 0 or more, got -1"),
        ({"seed": 0.5}, r"seed: expected a whole number of 0 or more, got 0\.5"),
        ({"limit": 0}, "limit: expected a whole number of 1 or more, got 0"),
        ({"workers": 0}, "workers: expected a whole number of 1 or more, got 0"),
        ({"size": 480}, r"size: expected \(width, height\) in pixels, got 480"),
        ({"size": (480, 0)}, "size: expected a whole number of 1 or more, got 0"),
        ({"format": "gif"}, "format: expected one of png, jpg, got 'gif'"),
        (
            {"depth": "stereo"},
            r"\. To fix: give for example depth=\{'files': 'depth'\} or "
            r"depth=\{'network': 'HUB_ID",
        ),
        (
            {"depth": {"scale": 3}},
            r"\. To fix: give for example depth=\{'files': 'depth'\} or "
            r"depth=\{'network': 'HUB_ID",
        ),
        (
            {"depth": {"files": "x", "scale": 0}},
            "depth: scale: expected a number greater than 0, got 0",
        ),
        ({"depth": {"files": "x", "scal": 3}}, "depth: .*scal.*did you mean"),
        (
            {"label_space": "camvid11"},
            "label_space: expected a folder of labels beside it, "
            r"got none.*give",
        ),
        (
            {"classes": ["road"]},
            "classes: expected a folder of labels beside it, got "
            r"none.*give",
        ),
        (
            {"split": "val"},
            "expected a known layout with splits and domains, got a plain "
            r"folder of images.*leave",
        ),
        (
            {"include": ["photo*"]},
            r"expected scenes for include=\['photo\*'\] exclude=\[\] "
            r"start=0 stop=None, got none \(0 match the patterns; its",
        ),
    ],
)
def test_what_making_refuses(street: Path, arguments, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        driftseg.make_weather_set(street / "images", street / "set", **{"rain": 50, **arguments})
    assert "--" not in str(caught.value)
    assert not (street / "set").exists()


def test_another_set_is_not_mixed_in(street: Path) -> None:
    driftseg.make_weather_set(street / "images", street / "set", rain=50, limit=1)
    with pytest.raises(
        InputError,
        match=r"expected the settings of before, got others \(seed "
        r"0 before, now 1\)",
    ) as caught:
        driftseg.make_weather_set(street / "images", street / "set", rain=50, limit=1, seed=1)
    assert "--" not in str(caught.value)


def test_a_dataset_in_a_layout_has_splits(tmp_path: Path) -> None:
    layout_trees.camvid(tmp_path / "camvid")
    outcome = driftseg.make_weather_set(
        tmp_path / "camvid", tmp_path / "set", night=[0.5], split="val", workers=2
    )
    assert outcome.made == 2
    assert {path.parent.name for path in pictures(tmp_path / "set")} == {"val", "valannot"}
