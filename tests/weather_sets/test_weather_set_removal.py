"""Nothing old lies in a weather set: what is gone or spoilt, and what older records did not say."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import layout_trees
from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.scenes.camvid import camvid
from driftseg.scenes.folder import folder
from driftseg.weather_sets.choice import Choice
from driftseg.weather_sets.reading import weather_set
from driftseg.weather_sets.record import JOURNAL, SetRecord
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

SMALL = (48, 36)


def record(out: Path) -> dict:
    return json.loads((out / "weather.json").read_text())


def write_splits(root: Path) -> Path:
    """CamVid with one image in train and two in val."""
    write_camvid(root)
    for kind in ("", "annot"):
        (root / f"train{kind}").mkdir()
        name = "0016E5_00000.png"
        (root / f"val{kind}" / name).rename(root / f"train{kind}" / name)
    return root


@pytest.mark.parametrize("size", [None, SMALL])
def test_a_label_that_is_gone_is_gone_from_the_set(tmp_path: Path, size) -> None:
    root, out = write_folder(tmp_path / "street", labels=True), tmp_path / "set"
    make(root, out, size=size)
    (root / "labels" / "frame1.png").unlink()
    again = make(root, out, size=size)
    assert (again.made, again.kept, again.labels["none"]) == (1, 2, 1)
    assert sorted(p.name for p in out.rglob("labels/*")) == ["frame0.png", "frame2.png"]
    read = weather_set(out, domain="rain")
    assert [entry.label is None for entry in read.entries] == [False, True, False]


@pytest.mark.parametrize("size", [None, SMALL])
def test_labels_go_with_their_images(tmp_path: Path, size) -> None:
    """Also where the source keeps the label, and in the weathers that a command does not name."""
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, out, rain=(50.0,), fog=(75.0,), size=size)
    (root / "val" / "0016E5_00001.png").unlink()
    again = make(root, out, fog=(75.0,), size=size)
    assert again.gone == ("val/0016E5_00001.png",)
    assert not list(out.rglob("0016E5_00001*"))
    assert len(list(out.rglob("valannot/*"))) == 4
    assert (root / "valannot" / "0016E5_00001.png").is_file()


def test_a_label_of_several_images_stays_until_the_last(tmp_path: Path) -> None:
    root, out = tmp_path / "foggy", tmp_path / "set"
    layout_trees.foggy_cityscapes(root)
    make(root, out, size=(24, 16))
    images = sorted((root / "leftImg8bit_foggy").rglob("*.png"))
    scene = images[0].name.split("_leftImg8bit")[0]
    assert len([path for path in images if path.name.startswith(scene)]) > 1
    images[0].unlink()
    others = wanted(root, size=(24, 16)).scenes  # which do not put the label again
    others.entries = [e for e in others.entries if not e.image.name.startswith(scene)]
    assert make(root, out, size=(24, 16), scenes=others).gone
    assert len(list(out.rglob(f"{scene}_gtFine*"))) == 1
    make(root, out, size=(24, 16))
    assert len(list(out.rglob(f"{scene}_gtFine*"))) == 1
    for path in images[1:]:
        if path.name.startswith(scene):
            path.unlink()
    make(root, out, size=(24, 16))
    assert not list(out.rglob(f"{scene}*"))


@pytest.mark.parametrize("spoilt", [b"", b"no picture"])
@pytest.mark.parametrize(
    ("write", "label"),
    [
        (write_camvid, "rain/50mm/valannot/0016E5_00001.png"),
        (write_cityscapes, "gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png"),
    ],
)
def test_a_spoilt_label_is_put_again_and_no_image_rendered(
    write: Callable[[Path], Path], label: str, spoilt: bytes, tmp_path: Path
) -> None:
    root, out = write(tmp_path / "source"), tmp_path / "set"
    make(root, out, fog=(75.0,), size=SMALL)
    before = files(out)
    (out / label).write_bytes(spoilt)
    assert make(root, out, fog=(75.0,), size=SMALL).made == 0
    assert files(out)[label] == before[label]


def test_copied_labels_are_looked_after_like_shrunk_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments, **named):
        raise OSError(errno.EPERM, "Operation not permitted")

    for name in ("symlink", "link"):
        monkeypatch.setattr(os, name, refuse)
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    assert make(root, out).labels == {"copy": 3}
    before = files(out)
    labels = out / "rain" / "50mm" / "valannot"
    (labels / "0016E5_00001.png").write_bytes(b"")
    assert make(root, out).made == 0
    (root / "val" / "0016E5_00002.png").unlink()
    make(root, out)
    assert {path.name: path.read_bytes() for path in labels.iterdir()} == {
        name: before[f"rain/50mm/valannot/{name}"]
        for name in ("0016E5_00000.png", "0016E5_00001.png")
    }


def test_a_source_label_that_rots_unseen_is_told(tmp_path: Path) -> None:
    """Of the same size and time, so that nothing tells it but reading it."""
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, out, size=SMALL)
    (out / "rain" / "50mm" / "valannot" / "0016E5_00001.png").unlink()
    source = root / "valannot" / "0016E5_00001.png"
    told = record(out)
    state = told["images"]["val/0016E5_00001.png"]["read"][1]
    source.write_bytes(b"\0" * state["bytes"])
    state["modified"] = source.stat().st_mtime_ns
    (out / "weather.json").write_text(json.dumps(told))
    again = make(root, out, size=SMALL)
    assert list(again.unreadable) == ["val/0016E5_00001.png"]
    assert (
        "expected an image that can be decoded, got an error"
        in again.unreadable["val/0016E5_00001.png"]
    )


def test_a_weather_without_images_is_no_weather(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, out, rain=(50.0,), fog=(75.0,))
    for path in (root / "val").iterdir():
        save(path, 255 - pixels(path))
    assert make(root, out, rain=(50.0,)).made == 3
    assert list(record(out)["domains"]) == ["rain50"]
    assert not (out / "fog").exists()
    read = weather_set(out)
    assert {read.name(i).rsplit("/", 1)[0] for i in range(len(read))} == {"clear", "rain/50mm"}


def test_what_a_command_is_not_about_stays(tmp_path: Path) -> None:
    """A split that is on a disk that is away; domains and names likewise."""
    root, out = write_splits(tmp_path / "camvid"), tmp_path / "set"
    make(root, out)
    before = files(out)
    (root / "train").rename(tmp_path / "train")
    for choice in (
        Choice(split="val"),
        Choice(domain="dusk"),
        Choice(include=("0016E5_00001",)),
        Choice(exclude=("*_00000",)),
    ):
        again = make(root, out, scenes=camvid(root, split="val"), choice=choice)
        assert (again.made, again.kept, again.gone) == (0, 2, ())
        assert {k: v for k, v in files(out).items() if k != "weather.json"} == {
            k: v for k, v in before.items() if k != "weather.json"
        }
    (tmp_path / "train").rename(root / "train")
    assert make(root, out).kept == 3
    (root / "train" / "0016E5_00000.png").unlink()
    again = make(root, out, scenes=camvid(root, split="val"), choice=Choice(domain="day"))
    assert again.gone == ("train/0016E5_00000.png",)
    assert not (out / "rain" / "50mm" / "train").exists()


def test_what_was_dropped_stays_so_after_kills(tmp_path: Path) -> None:
    """The journal alone says what is there; weather.json is of before."""
    settings, domains = {"seed": 0}, {"rain50": {"folder": "rain/50mm"}}

    def opened() -> SetRecord:
        return SetRecord(tmp_path, settings=settings, domains=domains)

    with opened() as record:
        for name in ("a.png", "b.png"):
            record.add(name, {"label": None, "made": {}})
        record.finish()
    with opened() as record:
        record.drop("a.png")
    for _ in range(2):  # each opening writes the journal anew
        with opened() as record:
            assert list(record.images) == ["b.png"]


def make_older(out: Path, labels: str) -> None:
    """Writes the record as it was before labels, names, splits and domains were in it."""
    told = record(out)
    for entry in told["images"].values():
        for key in ("name", "split", "domain", "label"):
            entry.pop(key)
        for made in entry["made"].values():
            if "label" in made:
                label = made.pop("label")
                entry["labels"] = label["put"]
                place = out / label["file"]
                if place.parent.name == "labels" and labels != "labels":
                    (place.parents[1] / labels).mkdir(exist_ok=True)
                    place.rename(place.parents[1] / labels / place.name)
    (out / "weather.json").write_text(json.dumps(told))


@pytest.mark.parametrize("size", [None, SMALL])
@pytest.mark.parametrize("labels", ["street/gt", "ids", "street/labels"])
def test_sets_with_older_records(tmp_path: Path, labels: str, size) -> None:
    """They are read as they are; the same command completes the record and renders nothing."""
    root, out = write_folder(tmp_path / "street", labels=True), tmp_path / "set"
    (root / "labels").rename(tmp_path / labels)

    def scenes():
        return folder(root, label_space=CAMVID11, labels=tmp_path / labels, size=size)

    make(root, out, scenes=scenes(), size=size)
    before, whole = files(out), record(out)
    make_older(out, "gt" if labels.endswith("gt") else "labels")
    for _ in range(2):
        read = weather_set(out)
        assert [read.name(i) for i in range(6)] == [
            f"{domain}/frame{i}" for domain in ("clear", "rain/50mm") for i in range(3)
        ]
        (put,) = [path for path in out.rglob("frame1.png") if path.parent.name != "50mm"]
        assert np.array_equal(read.scene(4).label, pixels(put))
        assert make(root, out, scenes=scenes(), size=size).made == 0
        assert set(files(out)) == set(before)
    now = record(out)
    for told in (whole, now):
        for entry in told["images"].values():
            del entry["made"]["rain50"]["label"]["modified"]
    assert now == whole


def test_older_records_do_not_say_what_a_split_is(tmp_path: Path) -> None:
    """So nothing is taken to be of it and removed, until the record says so."""
    root, out = write_splits(tmp_path / "camvid"), tmp_path / "set"
    make(root, out)
    make_older(out, "")
    (root / "train").rename(tmp_path / "train")
    val = {"scenes": camvid(root, split="val"), "choice": Choice(split="val")}
    assert make(root, out, **val).gone == ()
    assert make(root, out).gone == ("train/0016E5_00000.png",)


def test_a_file_that_cannot_be_removed(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid", 2), tmp_path / "set"
    make(root, out)
    (root / "val" / "0016E5_00001.png").unlink()
    image = out / "rain" / "50mm" / "val" / "0016E5_00001.png"
    image.unlink()
    image.mkdir()  # as good as a folder that is not ours to write to
    with pytest.raises(
        InputError,
        match="expected an old file that can be removed, got an "
        r"error \(Is a directory\)",
    ):
        make(root, out)
    image.rmdir()
    assert make(root, out).gone == ("val/0016E5_00001.png",)
    assert not (out / JOURNAL).exists()
