"""Images of more than 8 bits, images that a camera turned, and labels of one bit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from driftseg.api.data import check_data
from driftseg.errors import InputError, MisfitError
from driftseg.images.reading import read_ids, read_image, turn_of
from driftseg.scenes.folder import FolderSettings
from layout_trees import photo, save, save_two_channels, stripes


def levels(most: int) -> np.ndarray:
    """(8, 10, 3) from 0 to ``most``, red first."""
    found = np.random.default_rng(0).integers(0, most + 1, (8, 10, 3))
    found[0, 0] = (most, 0, most // 2)
    return found.astype(np.uint16)


@pytest.mark.parametrize("suffix", ["png", "tif", "ppm"])
class TestSixteenBits:
    def test_the_whole_range_is_the_high_byte(self, suffix: str, tmp_path: Path) -> None:
        path, wide = tmp_path / f"a.{suffix}", levels(65535)
        assert cv2.imwrite(str(path), wide[..., ::-1])
        off = np.abs(read_image(path).astype(int) - wide / 257)
        assert off.max() <= 1

    @pytest.mark.parametrize(("most", "bits"), [(1023, 10), (4095, 12), (16383, 14)])
    def test_a_sensor_s_bits_are_refused(
        self, suffix: str, most: int, bits: int, tmp_path: Path
    ) -> None:
        path = tmp_path / f"a.{suffix}"
        assert cv2.imwrite(str(path), levels(most))
        with pytest.raises(
            MisfitError, match=rf"got levels up to {most}, which look like {bits} bits"
        ):
            read_image(path)

    def test_black_is_black(self, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"a.{suffix}"
        assert cv2.imwrite(str(path), levels(4095) * 0)
        assert read_image(path).max() == 0


def test_alpha_does_not_count(tmp_path: Path) -> None:
    wide = np.dstack([levels(4095), np.full((8, 10), 65535, np.uint16)])
    assert cv2.imwrite(str(tmp_path / "a.png"), wide)
    with pytest.raises(MisfitError, match="look like 12 bits"):
        read_image(tmp_path / "a.png")
    save_two_channels(tmp_path / "b.png", np.full((8, 10), 200, np.uint8), second=65535)
    with pytest.raises(MisfitError, match="levels up to 200"):
        read_image(tmp_path / "b.png")


def test_data_check_names_them(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), levels(4095))
    (found,) = check_data(tmp_path).findings
    assert (found.kind, found.severity) == ("unreadable_images", "error")
    assert "look like 12 bits" in found.examples[0]


def test_labels_of_one_bit_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "a.png")
    with pytest.raises(
        InputError,
        match=r"expected a label map with one id a pixel \(8-bit "
        r"grey or palette PNG\), got 1-bit grey PNG, whose "
        "levels are",
    ):
        read_ids(tmp_path / "a.png")


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """An image that is stored lying on its side, and a label of the pixels as stored."""
    (tmp_path / "in").mkdir()
    notes = Image.Exif()
    notes[0x0112] = 6
    Image.fromarray(photo(1)).save(tmp_path / "in" / "a.jpg", exif=notes)
    save(tmp_path / "ids" / "a.png", stripes((0, 1, 2)))
    return tmp_path


def test_a_label_of_the_pixels_as_stored(turned: Path) -> None:
    data = FolderSettings(root=turned / "in", labels=turned / "ids").make()
    with pytest.raises(MisfitError) as caught:
        data.scene(0)
    assert str(caught.value) == (
        f"{turned}/ids/a.png: expected a label of its image's size, 64x96 after it is turned by "
        "its EXIF orientation (6), got 96x64, drawn on the pixels as stored. To fix: turn the "
        "label the same way, or remove the orientation from the image file"
    )
    save(turned / "ids" / "a.png", np.rot90(stripes((0, 1, 2)), -1))
    assert np.array_equal(data.scene(0).label, np.rot90(stripes((0, 1, 2)), -1))


@pytest.mark.parametrize("quick", [False, True])
def test_data_check_says_that_images_are_turned(turned: Path, quick: bool) -> None:
    found = check_data(turned / "in", labels=turned / "ids", headers_only=quick)
    told = {one.kind: one.examples[0] for one in found.findings}
    assert told["turned_images"].endswith("a.jpg")
    assert told["labels_of_another_size"].endswith("turned as its EXIF orientation says")


def test_turns(turned: Path) -> None:
    assert turn_of(turned / "in" / "a.jpg") == 6
    assert turn_of(turned / "ids" / "a.png") == 1
    (turned / "none.jpg").write_bytes(b"")
    assert turn_of(turned / "none.jpg") == 1
