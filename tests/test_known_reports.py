"""What users of neighbouring projects reported in public, tried here (docs/known_reports.md)."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import driftseg
from driftseg.api.data import check_data
from driftseg.config.reading import load
from driftseg.errors import InputError, MisfitError
from driftseg.images.reading import read_ids, read_image
from driftseg.scenes.folder import FolderSettings
from driftseg.scenes.gta5 import Gta5Settings
from driftseg.scenes.sequence import SequenceSettings
from driftseg.scenes.shift import ShiftSettings
from layout_trees import TREES, photo, save, stripes

ROOT = Path(__file__).parents[1]


def folder(root: Path, label: np.ndarray, numbers: range = range(2)) -> Path:
    for number in numbers:
        save(root / "in" / f"{number}.png", photo(number))
        save(root / "ids" / f"{number}.png", label)
    return root


def kinds(root: Path, **options: object) -> dict[str, str]:
    found = check_data(root / "in", labels=root / "ids", **options)
    return {one.kind: one.severity for one in found.findings}


def test_masks_of_0_and_255(tmp_path: Path) -> None:
    """255 is no class, so the object would never be learnt, and its IoU is nothing."""
    mask = stripes((0, 255))
    folder(tmp_path, mask)
    assert kinds(tmp_path, classes=["background", "object"])["mask_labels"] == "warning"
    folder(tmp_path, stripes((0, 1)))
    assert "mask_labels" not in kinds(tmp_path, classes=["background", "object"])
    folder(tmp_path, stripes((0, 1, 255)))
    assert "mask_labels" not in kinds(tmp_path, classes=["background", "object"])


def test_zero_is_no_class(tmp_path: Path) -> None:
    """Said by ids, not by a switch: files keep their ids, and classes keep their names."""
    folder(tmp_path, stripes((0, 1, 2)))
    (tmp_path / "ids" / "classes.yaml").write_text(
        "classes: [{name: road, ids: [1]}, {name: car, ids: [2]}]\nignored_ids: [0]\n"
    )
    found = FolderSettings(root=tmp_path / "in", labels=tmp_path / "ids").make()
    assert found.label_space.classes == ("road", "car")
    assert np.array_equal(found.scene(0).label, stripes((255, 0, 1)))
    (tmp_path / "ids" / "classes.yaml").unlink()
    with pytest.raises(
        InputError,
        match=r"expected label ids 0\.\.1 or 255 \(ignore\), got id "
        r"2 \(2048 pixels\)",
    ):
        FolderSettings(
            root=tmp_path / "in", labels=tmp_path / "ids", classes=["road", "car"]
        ).make().scene(0)


def test_a_jpeg_that_is_called_a_png(tmp_path: Path) -> None:
    """It could be read, and its ids are blends."""
    Image.fromarray(np.repeat(stripes((0, 200)), 2, axis=0)).save(tmp_path / "a.png", "JPEG")
    with pytest.raises(
        MisfitError,
        match="expected a label in a PNG, got a JPEG, which "
        "blends neighbouring ids, whatever the file is "
        "called",
    ):
        read_ids(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (128, 96, 3)


def test_marks_of_byte_order(tmp_path: Path) -> None:
    """As Windows' editors write them: in tables, settings of models and configs."""
    TREES["shift"](tmp_path / "shift")
    table = tmp_path / "shift/discrete/images/train/front/seq.csv"
    table.write_text(table.read_text(), encoding="utf-8-sig")
    found = ShiftSettings(root=tmp_path / "shift").files()
    assert {entry.domain for entry in found.entries} == {"discrete/rainy/night"}
    (tmp_path / "a.yaml").write_bytes("\ufeffname: x\r\ntarget:\r\n  kind: town\r\n".encode())
    assert load(tmp_path / "a.yaml") == {"name": "x", "target": {"kind": "town"}}


def test_a_model_s_settings_with_a_mark_of_byte_order(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    names = ("road", "sky")
    config = transformers.SegformerConfig(
        num_labels=2, decoder_hidden_size=16, id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text())), encoding="utf-8-sig")
    assert driftseg.load_model(tmp_path).classes == names


def test_cmyk_of_photoshop(tmp_path: Path) -> None:
    """Such JPEGs hold inverted values and say so in a segment called Adobe."""
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()[:64]
    assert read_image(tmp_path / "a.jpg")[8, 8] == pytest.approx([255, 0, 0], abs=2)


def test_names_in_any_script(tmp_path: Path) -> None:
    path = tmp_path / "תמונה é 图.png"
    save(path, photo(1))
    save(tmp_path / "ids" / path.name, stripes((0, 1)))
    assert np.array_equal(read_image(path), photo(1))
    found = FolderSettings(root=tmp_path, labels=tmp_path / "ids").make()
    assert found.name(0) == path.stem
    assert np.array_equal(found.scene(0).label, stripes((0, 1)))


def test_what_macos_leaves_beside_images(tmp_path: Path) -> None:
    folder(tmp_path, stripes((0, 1)))
    for place in ("in", "ids"):
        (tmp_path / place / "._0.png").write_bytes(b"\0\5\x16\7")
    assert len(list(driftseg.frames(tmp_path / "in"))) == 2
    assert len(FolderSettings(root=tmp_path / "in", labels=tmp_path / "ids").make()) == 2
    assert set(kinds(tmp_path, classes=["a", "b"])) == set()


def test_more_frames_than_the_pattern_has_digits(tmp_path: Path) -> None:
    for number in (9998, 9999, 10000, 10001):
        save(tmp_path / f"frame_{number:04d}.png", photo(number % 7))
    wanted = [f"frame_{number}" for number in (9998, 9999, 10000, 10001)]
    for pattern in ("frame_%04d.png", "*.png"):
        found = SequenceSettings(pattern=str(tmp_path / pattern)).make()
        assert [found.name(i) for i in range(4)] == wanted


def test_gta5_has_images_of_other_sizes(tmp_path: Path) -> None:
    tree = TREES["gta5"](tmp_path)
    save(tmp_path / "images" / "00002.png", photo(1, 60, 96))
    with pytest.raises(InputError, match=r"expected 96x64 as 00001\.png, got 96x60.*set size"):
        Gta5Settings(root=tmp_path).make()
    assert len(Gta5Settings(root=tmp_path, exclude=[tree.labels[1].stem]).make()) == 1


def test_links_are_followed_and_broken_ones_told(tmp_path: Path) -> None:
    folder(tmp_path / "data", stripes((0, 1)))
    os.symlink(tmp_path / "data" / "in", tmp_path / "in")
    assert len(FolderSettings(root=tmp_path / "in").make()) == 2
    os.symlink(tmp_path / "nowhere.png", tmp_path / "data" / "in" / "9.png")
    found = check_data(tmp_path / "in")
    told = "expected a file, got a path where there is none. To fix: check the path"
    assert [(one.kind, one.examples) for one in found.findings] == [
        ("unreadable_images", (f"{tmp_path}/in/9.png: {told}",))
    ]


def test_the_page_names_tests_that_there_are() -> None:
    page = (ROOT / "docs" / "known_reports.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) >= 20
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"(def|class) {name}\b", text), f"{path} has no {name}"
    links = re.findall(r"https://github\.com/[\w.-]+/[\w.-]+/(?:issues|pull)/\d+", page)
    assert len(set(links)) >= 20
