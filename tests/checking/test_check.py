"""A dataset looked through: every kind of finding, on trees that the tests break."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg.checking.check import check_dataset
from driftseg.checking.findings import MEANING, DatasetCheck
from driftseg.errors import InputError
from driftseg.labels import CAMVID11, CITYSCAPES19


def save(path: Path, array: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    if mode == "P":
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette([9, 8, 7] * 256)
    picture.save(path)


def noise(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def segnet(tmp_path: Path) -> Path:
    """CamVid in SegNet's layout: four whole scenes, one of them of dusk."""
    root = tmp_path / "camvid"
    for i, name in enumerate(("0001TP_000", "0006R0_001", "0006R0_002", "0016E5_003")):
        split = "train" if i < 3 else "val"
        save(root / split / f"{name}.png", noise(seed=i))
        ids = np.arange(24 * 32).reshape(24, 32) % 12
        save(root / f"{split}annot" / f"{name}.png", ids.astype(np.uint8), "P")
    return root


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A folder of three images and one of their labels."""
    root = tmp_path / "drive"
    for i in range(3):
        save(root / "in" / f"{i}.png", noise(seed=i))
        save(root / "ids" / f"{i}.png", np.full((24, 32), i, np.uint8))
    return root


def kinds(found: DatasetCheck) -> dict[str, int]:
    return {finding.kind: finding.count for finding in found.findings}


def example(found: DatasetCheck, kind: str) -> str:
    return next(finding.examples[0] for finding in found.findings if finding.kind == kind)


def check_drive(drive: Path, **options: object) -> DatasetCheck:
    return check_dataset(drive / "in", labels=drive / "ids", **options)  # type: ignore[arg-type]


def test_a_whole_dataset(segnet: Path) -> None:
    told: list[tuple[int, int]] = []
    found = check_dataset(segnet, workers=2, watch=lambda done, total: told.append((done, total)))
    assert (found.layout, found.severity, found.findings) == ("camvid", "note", ())
    assert [(p.split, p.domain, p.images, p.labels) for p in found.parts] == [
        ("train", "day", 2, 2), ("train", "dusk", 1, 1), ("val", "day", 1, 1),
    ]  # fmt: skip
    assert found.image_sizes == {(32, 24): 4}
    assert found.label_codings == {"palette PNG": 4}
    assert [share.name for share in found.classes] == list(CAMVID11.classes)
    assert all(share.pixels == 4 * 64 and share.scenes == 4 for share in found.classes)
    assert sum(share.share for share in found.classes) == pytest.approx(1)
    assert found.ignored == pytest.approx(1 / 12)
    assert told == [(i + 1, 4) for i in range(4)]


def test_it_is_plain_data(segnet: Path) -> None:
    values = check_dataset(segnet).to_json()
    assert json.loads(json.dumps(values)) == values
    assert values["image_sizes"] == {"32x24": 4}


def test_in_another_label_space(segnet: Path) -> None:
    found = check_dataset(segnet, label_space=CITYSCAPES19)
    assert len(found.classes) == 19
    assert kinds(found) == {"absent_classes": sum(share.pixels == 0 for share in found.classes)}
    assert found.severity == "note"


def test_missing_and_orphaned(segnet: Path) -> None:
    (segnet / "trainannot" / "0006R0_001.png").unlink()
    (segnet / "val" / "0016E5_003.png").unlink()
    found = check_dataset(segnet)
    assert kinds(found) == {"missing_labels": 1, "orphaned_labels": 1}
    assert example(found, "missing_labels").endswith("trainannot/0006R0_001.png")
    assert found.findings[0].severity == found.severity == "error"


def test_damaged_files(segnet: Path) -> None:
    for name in ("train/0001TP_000.png", "trainannot/0006R0_001.png"):
        whole = (segnet / name).read_bytes()
        (segnet / name).write_bytes(whole[: len(whole) // 2])
    (segnet / "val" / "0016E5_003.png").write_bytes(b"")
    found = check_dataset(segnet)
    assert kinds(found) == {"unreadable_images": 2, "unreadable_labels": 1}
    assert found.labels_counted == 3
    assert len(found.classes) == 11
    (segnet / "trainannot" / "0006R0_001.png").write_bytes(b"")
    assert check_dataset(segnet).label_codings == {"palette PNG": 3}


@pytest.mark.parametrize("quick", [False, True])
def test_damaged_headers(quick: bool, tmp_path: Path) -> None:
    """Each says 60000x60000, more than Pillow decodes."""
    root = tmp_path / "cityscapes"
    image = root / "leftImg8bit" / "train" / "ulm" / "ulm_000000_000019_leftImg8bit.png"
    save(image, noise())
    depth = root / "disparity" / "train" / "ulm" / "ulm_000000_000019_disparity.png"
    save(depth, np.ones((24, 32), np.uint16))
    for path in (image, depth):
        data = bytearray(path.read_bytes())
        data[16:24] = 2 * (60_000).to_bytes(4)
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
        path.write_bytes(data)
    found = check_dataset(root, headers_only=quick)
    assert kinds(found) == {"unreadable_images": 1, "unreadable_depth": 1}


def test_a_label_that_is_a_link_to_nowhere(segnet: Path) -> None:
    label = sorted((segnet / "trainannot").iterdir())[0]
    label.unlink()
    label.symlink_to(segnet / "gone.png")
    found = check_dataset(segnet)
    assert kinds(found)["unreadable_labels"] == 1
    assert "expected a file, got a path where there is none" in example(found, "unreadable_labels")


def test_sizes(segnet: Path) -> None:
    save(segnet / "train" / "0001TP_000.png", noise(12, 16))
    found = check_dataset(segnet)
    assert kinds(found) == {"labels_of_another_size": 1, "mixed_image_sizes": 2}
    assert example(found, "labels_of_another_size").endswith("is 32x24, its image 16x12")
    quick = check_dataset(segnet, headers_only=True)
    assert kinds(quick) == kinds(found)
    assert quick.image_sizes == found.image_sizes == {(32, 24): 3, (16, 12): 1}
    assert quick.classes == ()


def test_turned_photos_have_the_size_that_is_shown(drive: Path) -> None:
    picture = Image.fromarray(noise(32, 24))
    exif = picture.getexif()
    exif[0x0112] = 6
    (drive / "in" / "0.png").unlink()
    picture.save(drive / "in" / "0.jpg", exif=exif)
    for quick in (False, True):
        assert "labels_of_another_size" not in kinds(check_drive(drive, headers_only=quick))


def test_unknown_ids(segnet: Path) -> None:
    for name in ("0001TP_000", "0006R0_001"):
        ids = np.zeros((24, 32), np.uint8)
        ids[0, :5], ids[1, 0] = 37, 40
        save(segnet / "trainannot" / f"{name}.png", ids, "P")
    found = check_dataset(segnet)
    assert kinds(found) == {"unknown_ids": 2}
    assert found.unknown_ids == {37: 10, 40: 2}
    assert "0001TP_000.png" in example(found, "unknown_ids")


def test_how_labels_are_stored(drive: Path) -> None:
    save(drive / "ids" / "0.png", np.full((24, 32), 1, np.uint8), "P")
    save(drive / "ids" / "1.png", noise())
    save(drive / "ids" / "2.png", np.full((24, 32), 1, np.uint16))
    found = check_drive(drive)
    assert kinds(found) == {
        "colour_labels": 1, "sixteen_bit_labels": 1, "mixed_label_coding": 3, "absent_classes": 10,
    }  # fmt: skip
    assert found.label_codings == {
        "palette PNG": 1, "8-bit colour PNG": 1, "16-bit grey PNG": 1,
    }  # fmt: skip


@pytest.mark.parametrize("quick", [False, True])
def test_a_folder_of_labels_of_which_none_fits(quick: bool, drive: Path) -> None:
    """Whatever reads it as kind: folder refuses it."""
    for path in (drive / "ids").iterdir():
        path.rename(path.with_name(f"label_{path.name}"))
    found = check_drive(drive, headers_only=quick)
    assert found.severity == "error"
    assert kinds(found)["no_labels"] == 1
    assert example(found, "no_labels") == f"{drive / 'ids'}: holds no 0.png"
    for path in (drive / "ids").iterdir():
        path.unlink()
    assert kinds(check_drive(drive, headers_only=quick)) == {"no_labels": 1}
    for i in range(3):  # which `folder` does not read
        Image.fromarray(np.full((24, 32), i, np.uint8)).save(drive / "ids" / f"{i}.bmp")
    found = kinds(check_drive(drive, headers_only=quick))
    assert (found["no_labels"], found["refused_labels"]) == (1, 3)


def test_palette_beside_grey_is_read_and_told(drive: Path) -> None:
    save(drive / "ids" / "0.png", np.full((24, 32), 1, np.uint8), "P")
    found = check_drive(drive)
    assert found.severity == "warning"
    assert kinds(found)["mixed_label_coding"] == 2


def test_labels_of_a_folder(drive: Path) -> None:
    (drive / "ids" / "1.png").unlink()
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(drive / "ids" / "1.jpg")
    save(drive / "ids" / "2.png", np.full((24, 32), 255, np.uint8))
    save(drive / "ids" / "9.png", np.zeros((24, 32), np.uint8))
    save(drive / "in" / "3.png", noise())
    found = check_drive(drive)
    assert {"lossy_labels": 1, "empty_labels": 1, "orphaned_labels": 1}.items() <= kinds(
        found
    ).items()
    assert kinds(found)["unlabelled_images"] == 1
    assert "19" not in kinds(check_drive(drive, label_space=CITYSCAPES19))


def test_labels_with_suffixes_in_capitals(drive: Path) -> None:
    for path in (drive / "ids").iterdir():
        path.rename(path.with_suffix(".PNG"))
    (part,) = check_drive(drive).parts
    assert (part.images, part.labels) == (3, 3)
    assert check_drive(drive).labels_counted == 3


def test_ids_of_a_folder_are_told_by_its_label_space(drive: Path) -> None:
    save(drive / "ids" / "0.png", np.full((24, 32), 15, np.uint8))
    assert check_drive(drive).unknown_ids == {15: 24 * 32}
    found = check_drive(drive, label_space=CITYSCAPES19)
    assert found.unknown_ids == {}
    assert found.classes[15].pixels == 24 * 32


def test_a_folder_without_labels(drive: Path) -> None:
    found = check_dataset(drive / "in")
    assert (found.layout, found.findings, found.classes) == ("folder", (), ())


def test_duplicate_names(drive: Path) -> None:
    Image.fromarray(noise()).save(drive / "in" / "0.jpg")
    found = check_drive(drive)
    assert kinds(found)["duplicate_names"] == 1
    assert example(found, "duplicate_names") == "all: 0"


def test_depth(tmp_path: Path) -> None:
    """Cityscapes' disparity of another size, and one that is cut off."""
    root = tmp_path / "cityscapes"
    for i in range(3):
        scene = f"ulm_00000{i}_000019"
        save(root / "leftImg8bit" / "train" / "ulm" / f"{scene}_leftImg8bit.png", noise())
        labels = root / "gtFine" / "train" / "ulm" / f"{scene}_gtFine_labelIds.png"
        save(labels, np.full((24, 32), 7, np.uint8))
        size = (12, 16) if i == 1 else (24, 32)
        disparity = root / "disparity" / "train" / "ulm" / f"{scene}_disparity.png"
        save(disparity, np.random.default_rng(i).integers(0, 9, size).astype(np.uint16))
    disparity.write_bytes(disparity.read_bytes()[:200])
    found = check_dataset(root)
    assert found.layout == "cityscapes"
    assert [part.depth for part in found.parts] == [3]
    wrong = {"depth_of_another_size": 1, "unreadable_depth": 1}
    assert wrong.items() <= kinds(found).items()
    assert found.severity == "warning"


def test_nothing_there(tmp_path: Path) -> None:
    found = check_dataset(tmp_path)
    assert kinds(found) == {"no_images": 1}
    assert example(found, "no_images").endswith("holds nothing")
    (tmp_path / "photos").mkdir()
    assert example(check_dataset(tmp_path), "no_images").endswith("holds photos")


def test_a_folder_above_a_dataset(segnet: Path) -> None:
    (finding,) = check_dataset(segnet.parent).findings
    assert finding.examples[1] == f"{segnet}: is laid out as CamVid"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"layout": "kitti"},
            "expected one of weather_cityscapes, foggy_cityscapes, cityscapes, idd, idd_lite, "
            "acdc, dark_zurich, shift,",
        ),
        (
            {"layout": "acdc"},
            "expected the layout of ACDC "
            r"\(rgb_anon/<condition>/<split>/<sequence>/\*_rgb_anon\.png "
            r"and.*not",
        ),
        (
            {"layout": "camvid", "labels": Path("x")},
            "labels: expected --layout folder, got another layout",
        ),
        (
            {"labels": Path("gone")},
            "gone: expected a folder of labels, got a path where there is none",
        ),
    ],
)
def test_mistakes(options: dict, message: str, segnet: Path) -> None:
    with pytest.raises(InputError, match=message):
        check_dataset(segnet, **options)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="expected the folder of a dataset, got a path where there is none"
    ):
        check_dataset(tmp_path / "gone")


def test_nothing_is_written_to(segnet: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in segnet.rglob("*")}
    check_dataset(segnet)
    assert {path: path.stat().st_mtime_ns for path in segnet.rglob("*")} == before


def test_every_kind_has_a_meaning() -> None:
    assert {severity for severity, _ in MEANING.values()} == {"note", "warning", "error"}


@pytest.mark.data
def test_camvid(camvid_root: Path) -> None:
    found = check_dataset(camvid_root, workers=2)
    assert found.layout == "camvid"
    assert found.severity == "note"
    assert {part.split: part.domain for part in found.parts}["val"] == "day"
    assert found.image_sizes == {(480, 360): 468}
    assert found.classes[CAMVID11.classes.index("road")].share > 0.2
