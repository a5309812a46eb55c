"""Reading images, labels and layouts: small trees that the tests write themselves."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from driftseg.errors import InputError, UnreadableError
from driftseg.images.reading import read_ids, read_image, read_size, resize_image, resize_label
from driftseg.labels import CAMVID11, IGNORE
from driftseg.scenes.camvid import COLOURS_TO_CLASS, camvid
from driftseg.scenes.dataset import select
from driftseg.scenes.folder import folder


def save(path: Path, array: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def photo(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def segnet(tmp_path: Path) -> Path:
    """SegNet's layout with palette labels, JPEG and PNG images."""
    for i, name in enumerate(("0001TP_000", "0006R0_001", "0016E5_002")):
        save(tmp_path / "train" / f"{name}.{'jpg' if i else 'png'}", photo(seed=i))
        ids = np.full((24, 32), i, np.uint8)
        ids[0, :] = 11
        label = Image.fromarray(ids, mode=None).convert("L")
        label = Image.frombytes("P", label.size, label.tobytes())
        label.putpalette([v for colour in CAMVID11.colours for v in colour] + [0, 0, 0])
        (tmp_path / "trainannot").mkdir(exist_ok=True)
        label.save(tmp_path / "trainannot" / f"{name}.png")
    return tmp_path


@pytest.fixture
def authors(tmp_path: Path) -> Path:
    """The authors' layout: one colour a class."""
    label = np.zeros((6, 32, 3), np.uint8)
    for column, colour in enumerate(COLOURS_TO_CLASS):
        label[:, column] = colour
    save(tmp_path / "701_StillsRaw_full" / "0016E5_1.png", photo(6, 32))
    save(tmp_path / "LabeledApproved_full" / "0016E5_1_L.png", label)
    return tmp_path


class TestCamvid:
    def test_segnet_layout(self, segnet: Path) -> None:
        scenes = camvid(segnet)
        assert [scenes.name(i) for i in range(3)] == ["0001TP_000", "0006R0_001", "0016E5_002"]
        scene = scenes.scene(2)
        assert (scene.label[0] == IGNORE).all()
        assert (scene.label[1:] == 2).all()
        assert np.array_equal(camvid(segnet).scene(0).image, photo(seed=0))

    def test_authors_layout_joins_32_colours(self, authors: Path) -> None:
        label = camvid(authors, split="all").scene(0).label
        for column, name in enumerate(COLOURS_TO_CLASS.values()):
            expected = IGNORE if name is None else CAMVID11.classes.index(name)
            assert (label[:, column] == expected).all(), name
        assert len(COLOURS_TO_CLASS) == 32
        assert set(COLOURS_TO_CLASS.values()) == {*CAMVID11.classes, None}

    def test_authors_layout_has_no_splits(self, authors: Path) -> None:
        with pytest.raises(InputError, match="set split to 'all'"):
            camvid(authors, split="train")

    def test_unknown_colour(self, authors: Path) -> None:
        label = np.zeros((6, 32, 3), np.uint8)
        label[4, 5] = (1, 2, 3)
        save(authors / "LabeledApproved_full" / "0016E5_1_L.png", label)
        with pytest.raises(
            InputError,
            match=r"expected CamVid's 32 label colours, got \(1, 2, "
            r"3\) at row 4, column 5",
        ):
            camvid(authors, split="all").scene(0)

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(
            InputError,
            match="expected a folder of CamVid, got a path where "
            r"there is none.*pass its folder with --data",
        ):
            camvid(tmp_path / "nowhere")

    def test_another_layout(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        with pytest.raises(
            InputError,
            match=r"expected train/ and trainannot/ \(SegNet's "
            r"layout\) or 701_StillsRaw_full/ and "
            r"LabeledApproved_full/ \(the",
        ):
            camvid(tmp_path)

    def test_missing_label(self, segnet: Path) -> None:
        (segnet / "trainannot" / "0006R0_001.png").unlink()
        with pytest.raises(
            InputError,
            match="expected a label file, got an image without one "
            r"\(1 of 3 labels are missing\)",
        ):
            camvid(segnet)

    def test_label_of_another_size(self, segnet: Path) -> None:
        save(segnet / "trainannot" / "0006R0_001.png", np.zeros((4, 4), np.uint8))
        with pytest.raises(InputError, match="expected a label of its image's size 32x24, got 4x4"):
            camvid(segnet).scene(1)

    def test_unknown_id(self, segnet: Path) -> None:
        save(segnet / "trainannot" / "0006R0_001.png", np.full((24, 32), 37, np.uint8))
        with pytest.raises(
            InputError,
            match=r"expected label ids 0\.\.10 or 255 \(ignore\), "
            r"got id 37 \(768 pixels\)",
        ):
            camvid(segnet).scene(1)


class TestFolder:
    def test_with_and_without_labels(self, tmp_path: Path) -> None:
        save(tmp_path / "in" / "b.png", photo(seed=1))
        save(tmp_path / "in" / "a.jpg", photo(seed=2))
        (tmp_path / "in" / "notes.txt").write_text("no image")
        save(tmp_path / "ids" / "a.png", np.full((24, 32), 3, np.uint8))
        plain = folder(tmp_path / "in", label_space=CAMVID11)
        assert [plain.name(i) for i in range(len(plain))] == ["a", "b"]
        assert plain.scene(0).label is None
        some = folder(tmp_path / "in", label_space=CAMVID11, labels=tmp_path / "ids")
        assert (some.scene(0).label == 3).all()
        assert some.scene(1).label is None

    def test_suffixes_in_capitals(self, tmp_path: Path) -> None:
        save(tmp_path / "in" / "a.JPG", photo())
        save(tmp_path / "in" / "b.PNG", photo())
        for i, name in enumerate("ab"):
            save(tmp_path / "ids" / f"{name}.PNG", np.full((24, 32), i, np.uint8))
        scenes = folder(tmp_path / "in", label_space=CAMVID11, labels=tmp_path / "ids")
        assert [int(scenes.scene(i).label.max()) for i in range(2)] == [0, 1]
        save(tmp_path / "ids" / "b.png", np.zeros((24, 32), np.uint8))
        if len(list((tmp_path / "ids").iterdir())) == 3:  # the file system tells capitals apart
            with pytest.raises(InputError, match="for the same image, too"):
                folder(tmp_path / "in", label_space=CAMVID11, labels=tmp_path / "ids")

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected images, got none"):
            folder(tmp_path, label_space=CAMVID11)

    def test_labels_of_other_images(self, tmp_path: Path) -> None:
        save(tmp_path / "in" / "a.png", photo())
        save(tmp_path / "ids" / "z.png", np.zeros((24, 32), np.uint8))
        with pytest.raises(InputError, match=r"got none for a.*labels like their image"):
            folder(tmp_path / "in", label_space=CAMVID11, labels=tmp_path / "ids")

    def test_photos_stand_upright(self, tmp_path: Path) -> None:
        """A camera held sideways writes how to turn its pixels."""
        turned = Image.Exif()
        turned[0x0112] = 6  # a quarter to the right
        save(tmp_path / "a.png", photo(), exif=turned)
        seen = folder(tmp_path, label_space=CAMVID11).scene(0).image
        assert np.array_equal(seen, np.rot90(photo(), -1))

    def test_truncated_image(self, tmp_path: Path) -> None:
        save(tmp_path / "in" / "a.png", photo())
        whole = (tmp_path / "in" / "a.png").read_bytes()
        (tmp_path / "in" / "a.png").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(
            InputError,
            match="expected an image that can be decoded, got an "
            r"error \(image file is truncated\)",
        ):
            folder(tmp_path / "in", label_space=CAMVID11).scene(0)

    @pytest.mark.parametrize("read", [read_image, read_size, read_ids])
    def test_a_header_of_more_pixels_than_are_decoded(self, read, tmp_path: Path) -> None:
        """Damage to a header may say any size; Pillow decodes none above 179 megapixels."""
        save(tmp_path / "a.jpg", photo())
        data = bytearray((tmp_path / "a.jpg").read_bytes())
        size = data.index(b"\xff\xc0") + 5
        data[size : size + 4] = struct.pack(">HH", 60_000, 60_000)
        (tmp_path / "a.jpg").write_bytes(data)
        with pytest.raises(
            UnreadableError,
            match=r"/a\.jpg: expected an image that can be "
            "decoded, got a header with too many pixels",
        ):
            read(tmp_path / "a.jpg")

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_turn_is_pillow_s(self, orientation: int, tmp_path: Path) -> None:
        turned = Image.Exif()
        turned[0x0112] = orientation
        save(tmp_path / "a.png", photo(), exif=turned)
        with Image.open(tmp_path / "a.png") as picture:
            upright = np.asarray(ImageOps.exif_transpose(picture))
        assert np.array_equal(read_image(tmp_path / "a.png"), upright)
        assert read_size(tmp_path / "a.png") == upright.shape[1::-1]

    def test_damaged_notes_of_a_camera(self, tmp_path: Path) -> None:
        """They hold text where a number belongs, and the picture is whole."""
        turned = Image.Exif()
        turned[0x0112], turned[0x010E] = 6, "a street"
        save(tmp_path / "a.png", photo(), exif=turned)
        data = (tmp_path / "a.png").read_bytes()
        start = data.index(b"eXIf")
        size = int.from_bytes(data[start - 4 : start])
        notes = data[start : start + 4 + size].replace(b"\x01\x0e\x00\x02", b"\x01\x00\x00\x02")
        check = struct.pack(">I", zlib.crc32(notes))
        rest = data[start + 8 + size :]
        (tmp_path / "a.png").write_bytes(data[:start] + notes + check + rest)
        assert data != (tmp_path / "a.png").read_bytes()
        assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(photo(), -1))

    def test_an_image_of_sixteen_bits_is_refused(self, tmp_path: Path) -> None:
        """As of infrared cameras: Pillow makes everything above 255 white."""
        save(tmp_path / "a.png", np.full((4, 4), 9000, np.uint16))
        with pytest.raises(
            InputError,
            match="expected an image of 8 bits a channel, got grey "
            r"of 16 bits or more \(mode I;16\)",
        ):
            read_image(tmp_path / "a.png")

    def test_colour_labels_are_refused(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png", photo())
        with pytest.raises(
            InputError,
            match="expected a label map with one id a pixel "
            r"\(8-bit grey or palette PNG\), got mode RGB",
        ):
            read_ids(tmp_path / "a.png")

    def test_sixteen_bit_labels_are_refused(self, tmp_path: Path) -> None:
        Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "a.png")
        with pytest.raises(InputError, match="8-bit grey or palette PNG"):
            read_ids(tmp_path / "a.png")

    @pytest.mark.parametrize("bits", [2, 4])
    def test_labels_of_few_greys_are_refused(self, bits: int, tmp_path: Path) -> None:
        """Pillow spreads their levels over 0 to 255, which would be other ids."""
        path = tmp_path / "few.png"
        path.write_bytes(grey_png([[0, 1, 2, 3]] * 4, bits))
        assert np.asarray(Image.open(path)).max() == 3 * 255 // (2**bits - 1)
        with pytest.raises(InputError, match=f"got {bits}-bit grey PNG.*store ids in 8 bits"):
            read_ids(path)


def grey_png(rows: list[list[int]], bits: int) -> bytes:
    """A grey PNG of few bits, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    lines = b""
    for row in rows:
        text = "".join(f"{level:0{bits}b}" for level in row)
        size = -(-len(text) // 8)
        lines += b"\0" + int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class TestResize:
    def test_shrinking_is_antialiased(self) -> None:
        """A fine checkerboard becomes grey, not noise."""
        board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
        small = resize_image(np.dstack([board] * 3), (16, 16), name="board")
        assert np.abs(small.astype(int) - 127).max() <= 1

    def test_nothing_is_enlarged(self) -> None:
        with pytest.raises(
            InputError, match="x: expected an image of at least 16x8, the size of the run, got 8x4"
        ):
            resize_image(np.zeros((4, 8, 3), np.uint8), (16, 8), name="x")

    def test_labels_are_never_blended(self) -> None:
        label = np.random.default_rng(0).choice([0, 7, 255], (50, 40)).astype(np.uint8)
        assert set(np.unique(resize_label(label, (13, 17)))) <= {0, 7, 255}

    def test_image_and_label_stay_aligned(self) -> None:
        label = np.zeros((60, 80), np.uint8)
        label[20:40, 30:50] = 1
        image = np.dstack([label * 255] * 3)
        small, ids = resize_image(image, (40, 30), name=""), resize_label(label, (40, 30))
        assert ((small[..., 0] > 127) == (ids == 1)).all()


class TestSelect:
    def test_patterns_then_positions(self, segnet: Path) -> None:
        chosen = select(camvid(segnet), include=["00*"], exclude=["0006R0_*"], start=1, where="x")
        assert [chosen.name(i) for i in range(len(chosen))] == ["0016E5_002"]

    def test_nothing_left(self, segnet: Path) -> None:
        with pytest.raises(
            InputError,
            match=r"expected scenes for include=\['dusk\*'\] "
            r"exclude=\[\] start=0 stop=None, got none \(0 "
            "match the patterns; its names",
        ):
            select(camvid(segnet), include=["dusk*"], where="x")
