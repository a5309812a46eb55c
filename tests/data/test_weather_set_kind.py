"""A set that driftseg weather has made, read as one dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from weather_trees import write_camvid, write_cityscapes, write_folder

from driftseg.data.datasets.camvid import camvid
from driftseg.data.datasets.folder import folder
from driftseg.data.datasets.layouts import recognise, scenes
from driftseg.data.datasets.weather_cityscapes import scene_of
from driftseg.data.datasets.weather_set import weather_set
from driftseg.data.schedule import Visit
from driftseg.data.stream import Weather
from driftseg.data.weather.camera import CAMVID as CAMERA
from driftseg.data.weather.conditions import Conditions
from driftseg.data.weather_sets.domains import weather_domains
from driftseg.data.weather_sets.making import WeatherSet, make_set
from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.runs.data_config import WeatherSetData
from driftseg.runs.datasets import build_dataset

DOMAINS = weather_domains(rain=(50.0,), fog=(150.0,))


def made(root: Path, out: Path) -> Path:
    layout = recognise(root)
    if layout is None:
        found = folder(root, label_space=CAMVID11, labels=root / "labels")
    else:
        found = scenes(layout, root)
    name = "folder" if layout is None else layout.name
    make_set(WeatherSet(root, name, found, DOMAINS, CAMERA, depth="none"), out)
    return out


def test_every_weather_is_a_domain_and_the_originals_are_clear(tmp_path: Path) -> None:
    root = write_camvid(tmp_path / "camvid")
    out = made(root, tmp_path / "set")
    whole = weather_set(out, split="val", label_space=CAMVID11)
    original = camvid(root, split="val")
    names = [original.name(i) for i in range(len(original))]
    assert [whole.name(i) for i in range(len(whole))] == [
        f"{domain}/{name}" for domain in ("clear", "rain/50mm", "fog/150m") for name in names
    ]
    assert [scene_of(whole.name(i)) for i in range(len(names))] == names
    weather = Weather(CAMERA, CAMVID11, seed=0)
    for i, scene in enumerate(original.scene(i) for i in range(len(original))):
        assert np.array_equal(whole.scene(i).image, scene.image)
        wet = whole.scene(len(names) + i)
        assert np.array_equal(wet.image, weather.on(scene, Visit("rain50", Conditions(rain=50))))
        assert np.array_equal(wet.label, scene.label)


def test_by_a_config(tmp_path: Path) -> None:
    out = made(write_camvid(tmp_path / "camvid"), tmp_path / "set")
    rainy = build_dataset(WeatherSetData(kind="weather_set", root=out, domain="rain"))
    assert len(rainy) > 0
    assert all(rainy.name(i).startswith("rain/50mm/") for i in range(len(rainy)))


def test_of_a_plain_folder(tmp_path: Path) -> None:
    out = made(write_folder(tmp_path / "street", labels=True), tmp_path / "set")
    foggy = weather_set(out, domain="fog/150m", label_space=CAMVID11)
    assert [foggy.name(i) for i in range(len(foggy))] == [f"fog/150m/frame{i}" for i in range(3)]
    assert foggy.scene(0).label is not None
    with pytest.raises(InputError, match="has no splits: set split to null"):
        weather_set(out, split="val", label_space=CAMVID11)


def test_without_its_source_a_set_has_no_clear(tmp_path: Path) -> None:
    root = write_camvid(tmp_path / "camvid")
    out = made(root, tmp_path / "set")
    for label in out.rglob("*.png"):
        if label.is_symlink():
            content = label.read_bytes()
            label.unlink()
            label.write_bytes(content)
    root.rename(tmp_path / "elsewhere")
    left = weather_set(out, split="val", label_space=CAMVID11)
    assert not any(left.name(i).startswith("clear") for i in range(len(left)))
    with pytest.raises(InputError, match=r"no domain 'clear' is there, found \['rain/50mm', 'fog"):
        weather_set(out, domain="clear", label_space=CAMVID11)


def test_what_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weather\.json is there; wanted a finished set"):
        weather_set(tmp_path, label_space=CAMVID11)
    (tmp_path / "weather.json").write_text(json.dumps({"settings": {}}))
    with pytest.raises(InputError, match="is no record of driftseg weather"):
        weather_set(tmp_path, label_space=CAMVID11)
    (tmp_path / "weather.json").write_text("{")
    with pytest.raises(InputError, match="is no record of driftseg weather"):
        weather_set(tmp_path, label_space=CAMVID11)


def test_a_set_of_cityscapes_is_read_as_published(tmp_path: Path) -> None:
    out = made(write_cityscapes(tmp_path / "cityscapes"), tmp_path / "set")
    with pytest.raises(InputError, match="read as kind: weather_cityscapes"):
        weather_set(out, label_space=CAMVID11)


def test_what_was_made_of_a_source_that_is_gone_is_removed(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    made(root, out)
    first = sorted((root / "val").iterdir())[0]
    first.unlink()
    (root / "valannot" / f"{first.stem}.png").unlink()
    layout = recognise(root)
    assert layout is not None
    wanted = WeatherSet(root, layout.name, scenes(layout, root), DOMAINS, CAMERA, depth="none")
    again = make_set(wanted, out)
    assert again.gone == (f"val/{first.name}",)
    assert again.made == 0
    assert not list(out.rglob(f"{first.stem}*"))
    assert f"val/{first.name}" not in json.loads((out / "weather.json").read_text())["images"]
    assert make_set(wanted, out).gone == ()
