"""A weather set looked through: each of its weathers as the dataset it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftseg.checking.check import check_dataset
from driftseg.errors import InputError
from driftseg.labels import CITYSCAPES19
from driftseg.scenes.datasets import recognise
from driftseg.scenes.folder import folder
from driftseg.scenes.layout import scenes
from driftseg.weather.camera import CAMVID as CAMERA
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import WeatherSet, make_set
from weather_trees import write_camvid, write_folder


def weather_set(root: Path, out: Path, labels: Path | None = None) -> Path:
    """Every image of a dataset in rain and in fog."""
    layout = recognise(root)
    if layout is None:
        name, source = "folder", folder(root, label_space=CITYSCAPES19, labels=labels)
    else:
        name, source = layout.name, scenes(layout, root)
    domains = weather_domains(rain=(50.0,), fog=(75.0,))
    make_set(WeatherSet(root, name, source, domains, CAMERA), out)
    return out


def test_every_weather_is_looked_at(tmp_path: Path) -> None:
    out = weather_set(write_camvid(tmp_path / "camvid"), tmp_path / "set")
    found = check_dataset(out)
    assert (found.layout, found.title) == ("weather_set", "a weather set of CamVid")
    assert found.severity == "note"
    assert [(p.split, p.domain, p.images, p.labels) for p in found.parts] == [
        ("val", "fog/75m/day", 3, 3), ("val", "rain/50mm/day", 3, 3)
    ]  # fmt: skip
    assert found.labels_counted == 6
    assert check_dataset(out, layout="weather_set", headers_only=True).findings == ()
    image = next((out / "rain" / "50mm" / "val").iterdir())
    image.write_bytes(b"no image")
    (damaged, *_) = check_dataset(out).findings
    assert (damaged.kind, damaged.count) == ("unreadable_images", 1)
    assert str(image) in damaged.examples[0]


def test_of_a_folder_in_the_label_space_it_was_made_with(tmp_path: Path) -> None:
    write_folder(tmp_path / "street", labels=True)
    (tmp_path / "street" / "labels").rename(tmp_path / "labels")
    out = weather_set(tmp_path / "street", tmp_path / "set", tmp_path / "labels")
    found = check_dataset(out)
    assert found.title == "a weather set of a folder of images"
    assert found.label_space == CITYSCAPES19
    assert found.severity == "note"
    assert [(p.domain, p.images, p.labels) for p in found.parts] == [
        ("fog/75m", 3, 3), ("rain/50mm", 3, 3)
    ]  # fmt: skip


def test_what_is_no_set(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "street")
    with pytest.raises(
        InputError,
        match="expected a finished set of driftseg weather, got a "
        r"folder without weather\.json",
    ):
        check_dataset(root, layout="weather_set")
    (root / "weather.json").write_text("{}")  # of somebody else, beside images
    assert check_dataset(root).layout == "folder"


def test_a_set_that_is_being_made(tmp_path: Path) -> None:
    """Half of it would be judged as if it were all."""
    out = weather_set(write_camvid(tmp_path / "camvid"), tmp_path / "set")
    (out / "weather.journal.jsonl").touch()
    with pytest.raises(
        InputError,
        match="expected a finished set, got an unfinished one "
        r"\(weather\.journal\.jsonl is there\).*that is "
        "running, or give the command that was stopped",
    ):
        check_dataset(out)
