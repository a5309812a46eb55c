"""One set holds one kind of images: what would mix two is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftseg.errors import InputError
from driftseg.labels import CAMVID11, CITYSCAPES19, LabelSpace
from driftseg.scenes.camvid import camvid
from driftseg.scenes.folder import folder
from driftseg.weather.camera import CAMVID
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import Outcome, WeatherSet, make_set
from weather_trees import write_camvid, write_folder


def make(root: Path, out: Path, *, size: tuple[int, int] | None = None, **weather) -> Outcome:
    scenes = camvid(root, split="val", size=size)
    domains = weather_domains(**weather)
    return make_set(WeatherSet(root, "camvid", scenes, domains, CAMVID, size=size), out)


def domains_of(out: Path) -> dict:
    return json.loads((out / "weather.json").read_text())["domains"]


def test_one_name_has_one_weather(tmp_path: Path) -> None:
    """A wet road does not change what rain is called, so it must not be taken for the dry one."""
    root, out = write_camvid(tmp_path / "camvid", 1), tmp_path / "set"
    make(root, out, rain=(50.0,))
    with pytest.raises(
        InputError,
        match="expected rain50 with rain 50 mm/h as before, got rain 50 mm/h and wet road 1",
    ):
        make(root, out, rain=(50.0,), wet_road=1.0)
    assert domains_of(out)["rain50"]["conditions"]["wet_road"] is None
    assert make(root, out, rain=(50.0,)).kept == 1


def test_labels_that_mean_something_else_are_another_set(tmp_path: Path) -> None:
    """What is ground and sky, and so how far things are, follows from it."""
    root, out = write_folder(tmp_path / "street", 1, labels=True), tmp_path / "set"

    def make_told(space: LabelSpace) -> Outcome:
        scenes = folder(root, label_space=space, labels=root / "labels")
        return make_set(WeatherSet(root, "folder", scenes, weather_domains(fog=[75]), CAMVID), out)

    make_told(CAMVID11)
    with pytest.raises(InputError, match='label_space "camvid11" before, now "cityscapes19"'):
        make_told(CITYSCAPES19)


def test_a_command_that_made_nothing_binds_nobody(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid", 1), tmp_path / "set"
    with pytest.raises(
        InputError, match="expected an image of at least 640x480, the size of the run, got 64x48"
    ):
        make(root, out, size=(640, 480), rain=(25.0,))
    assert make(root, out, size=(48, 36), rain=(50.0,)).made == 1
    assert list(domains_of(out)) == ["rain50"]
