"""A set that driftseg weather has made, read as one dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import layout_trees
from driftseg.errors import InputError
from driftseg.labels import CAMVID11, CITYSCAPES19
from driftseg.scenes.camvid import camvid
from driftseg.scenes.dataset import SceneFiles, scene_of
from driftseg.scenes.datasets import recognise
from driftseg.scenes.folder import folder
from driftseg.scenes.layout import scenes
from driftseg.weather.camera import CAMVID as CAMERA
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather
from driftseg.weather_sets.choice import Choice
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import Progress, WeatherSet, make_set
from driftseg.weather_sets.reading import WeatherSetSettings, weather_set
from weather_trees import write_camvid, write_cityscapes, write_folder

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
        assert np.array_equal(wet.image, weather.on(scene, Conditions(rain=50), "rain50"))
        assert np.array_equal(wet.label, scene.label)


def test_by_a_config(tmp_path: Path) -> None:
    out = made(write_camvid(tmp_path / "camvid"), tmp_path / "set")
    rainy = WeatherSetSettings(kind="weather_set", root=out, domain="rain").make()
    assert len(rainy) > 0
    assert all(rainy.name(i).startswith("rain/50mm/") for i in range(len(rainy)))


def test_of_a_plain_folder(tmp_path: Path) -> None:
    out = made(write_folder(tmp_path / "street", labels=True), tmp_path / "set")
    foggy = weather_set(out, domain="fog/150m", label_space=CAMVID11)
    assert [foggy.name(i) for i in range(len(foggy))] == [f"fog/150m/frame{i}" for i in range(3)]
    assert foggy.scene(0).label is not None
    with pytest.raises(
        InputError,
        match="expected no split, because a plain folder of images "
        r"has none, got one.*set split to null",
    ):
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
    with pytest.raises(
        InputError,
        match="expected a domain of the set, got "
        r"'clear'.*rain/50mm, fog",
    ):
        weather_set(out, domain="clear", label_space=CAMVID11)


def test_what_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match="expected a finished set of driftseg weather, got a "
        r"folder without weather\.json",
    ):
        weather_set(tmp_path, label_space=CAMVID11)
    (tmp_path / "weather.json").write_text(json.dumps({"settings": {}}))
    with pytest.raises(InputError, match="expected a record of driftseg weather, got another file"):
        weather_set(tmp_path, label_space=CAMVID11)
    (tmp_path / "weather.json").write_text("{")
    with pytest.raises(InputError, match="expected a record of driftseg weather, got another file"):
        weather_set(tmp_path, label_space=CAMVID11)


def test_a_set_of_cityscapes_is_read_as_published(tmp_path: Path) -> None:
    out = made(write_cityscapes(tmp_path / "cityscapes"), tmp_path / "set")
    with pytest.raises(
        InputError,
        match="expected kind: weather_cityscapes for a set of Cityscapes, got kind: weather_set",
    ):
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


def chosen(root: Path, out: Path, count: int | None = None, **choice: str) -> Path:
    layout = recognise(root)
    assert layout is not None
    found = scenes(layout, root, **choice)
    found.entries = found.entries[:count]
    make_set(WeatherSet(root, layout.name, found, DOMAINS, CAMERA, choice=Choice(**choice)), out)
    return out


def names_of(read: SceneFiles) -> list[str]:
    return [read.name(i) for i in range(len(read))]


def test_clear_is_what_the_set_was_made_from_and_no_more(tmp_path: Path) -> None:
    root = tmp_path / "camvid"
    layout_trees.camvid(root)  # train and val, one image of day and one of dusk each
    few = chosen(root, tmp_path / "few", 1, split="val")
    assert names_of(weather_set(few)) == [
        f"{domain}/0001TP_000" for domain in ("clear", "rain/50mm", "fog/150m")
    ]
    dusk = weather_set(chosen(root, tmp_path / "dusk", domain="dusk"))
    assert {name.split("/")[-1] for name in names_of(dusk)} == {"0001TP_000"}
    assert len(dusk) == 3 * 2
    with pytest.raises(InputError, match="expected the split 'train', got val"):
        weather_set(few, split="train")


def test_what_the_set_was_not_made_from_may_be_broken(tmp_path: Path) -> None:
    root = tmp_path / "camvid"
    layout_trees.camvid(root)
    out = chosen(root, tmp_path / "set", split="val")
    next((root / "trainannot").iterdir()).unlink()
    assert len(weather_set(out)) == 3 * 2


@pytest.mark.parametrize("labels", ["street/gt", "street/labels", "ids"])
def test_labels_of_a_folder_wherever_they_lie(labels: str, tmp_path: Path) -> None:
    root, out = write_folder(tmp_path / "street", labels=True), tmp_path / "set"
    (root / "labels").rename(tmp_path / labels)
    found = folder(root, label_space=CITYSCAPES19, labels=tmp_path / labels)
    make_set(WeatherSet(root, "folder", found, DOMAINS, CAMERA), out)
    read = weather_set(out)
    assert read.label_space == CITYSCAPES19
    assert len(read) == 9
    for i in range(9):
        assert np.array_equal(read.scene(i).label, found.scene(i % 3).label)
    for place in ("rain/50mm", "fog/150m"):
        assert {path.name for path in (out / place).iterdir() if path.is_dir()} == {"labels"}


def test_the_label_space_is_that_of_the_set(tmp_path: Path) -> None:
    def config(out: Path, **values: str) -> WeatherSetSettings:
        return WeatherSetSettings(kind="weather_set", root=out, **values)

    out = made(write_folder(tmp_path / "street", labels=True), tmp_path / "set")
    assert config(out).make().label_space == CAMVID11
    assert config(out, label_space="camvid11").make().label_space == CAMVID11
    with pytest.raises(
        InputError,
        match=r"expected the set's own label space, camvid11 \(weather\.json\), "
        "got label_space cityscapes19",
    ):
        config(out, label_space="cityscapes19").make()
    layout = made(write_camvid(tmp_path / "camvid"), tmp_path / "other")
    with pytest.raises(InputError, match="set label_space to null"):
        config(layout, label_space="cityscapes19").make()
    bare, plain = write_folder(tmp_path / "bare"), tmp_path / "plain"
    scenes_there = folder(bare, label_space=CAMVID11)
    make_set(WeatherSet(bare, "folder", scenes_there, DOMAINS, CAMERA), plain)
    assert config(plain).make().label_space == CAMVID11
    assert config(plain, label_space="cityscapes19").make().label_space == CITYSCAPES19


def test_a_set_that_is_being_extended_is_not_finished(tmp_path: Path) -> None:
    root = write_camvid(tmp_path / "camvid")
    out = chosen(root, tmp_path / "set", 1)

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    layout = recognise(root)
    assert layout is not None
    wanted = WeatherSet(root, layout.name, scenes(layout, root), DOMAINS, CAMERA)
    with pytest.raises(KeyboardInterrupt):
        make_set(wanted, out, watch=stop)
    with pytest.raises(
        InputError,
        match="expected a finished set, got an unfinished one "
        r"\(weather\.journal\.jsonl is there\).*that is "
        "running, or give the command that was stopped",
    ):
        weather_set(out)
    make_set(wanted, out)
    assert len(weather_set(out)) == 9
