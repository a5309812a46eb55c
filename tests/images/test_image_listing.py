"""Which files of a folder are images, and in which order they come."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import driftseg
from driftseg.errors import InputError
from driftseg.images.listing import list_images, natural, told_unread, unread_images

WORLD = [1, 2, 3, 9, 10, 11, 100]


@pytest.mark.parametrize(
    "names",
    [
        [f"{n}.jpg" for n in WORLD],
        [f"frame_{n}.png" for n in WORLD],
        [f"clip{a}_{b}.png" for a in (2, 9, 10) for b in (1, 9, 10)],
        ["face9.png", "face10.png", "fade100.png"],
        ["img1.jpg", "img01.png", "img2.PNG"][1:],
        ["9 (1).png", "9 (2).png", "10 (1).png"],
    ],
)
def test_natural_order(names: list[str]) -> None:
    assert sorted(reversed(names), key=natural) == names


def test_folders_are_compared_one_by_one() -> None:
    paths = [Path(f"drive{d}/{f}.png") for d in (2, 10) for f in (9, 10)]
    assert sorted(reversed(paths), key=natural) == paths
    names = [f"drive{d}/{f}" for d in (2, 10) for f in (9, 10)]
    assert sorted(reversed(names), key=natural) == names


@given(st.lists(st.integers(0, 10**6 - 1), unique=True), st.sampled_from(["", "a-", "f_", "x."]))
def test_padded_names_keep_their_order(numbers: list[int], before: str) -> None:
    names = [f"{before}{n:06d}_leftImg8bit.png" for n in numbers]
    assert sorted(names, key=natural) == sorted(names)


@given(st.lists(st.integers(0, 16**8 - 1), unique=True))
def test_hexadecimal_names_are_no_numbers(numbers: list[int]) -> None:
    """As of BDD100K and SHIFT. Names that end in letters alone cannot be told from words."""
    names = [f"0a{n:08x}b" for n in numbers]
    assert sorted(names, key=natural) == sorted(names)


@given(st.lists(st.text("a1/-0.", min_size=1, max_size=8), unique=True))
def test_the_order_is_total(names: list[str]) -> None:
    assert sorted(names, key=natural) == sorted(reversed(names), key=natural)


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    """As macOS and Windows leave them beside images."""
    for name in ("1.png", "._1.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == ["1.png"]


def test_jpegs_by_their_other_names(tmp_path: Path) -> None:
    for number, name in enumerate(("1.jfif", "2.jpe", "3.JPG")):
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(tmp_path / name, "JPEG", quality=100)
    reds = [int(image[0, 0, 0]) for image in driftseg.frames(tmp_path)]
    assert reds == pytest.approx([0, 80, 160], abs=2)


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    for name in ("1.png", "2.heic", "3.GIF", "._4.heic", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    unread = unread_images([tmp_path, tmp_path, tmp_path / "none"])
    assert [path.name for path in unread] == ["2.heic", "3.GIF"]
    told = told_unread(unread)
    assert told == (
        f"2 image files in {tmp_path} are not read (.gif .heic: 2.heic, 3.GIF); convert them to "
        "PNG or JPEG to use them"
    )
    with pytest.warns(UserWarning, match="2 image files in .* are not read"):
        assert len(list(driftseg.frames(tmp_path))) == 1
    (tmp_path / "1.png").unlink()
    with pytest.raises(
        InputError,
        match=r"are not read \(\.gif \.heic: 2\.heic, 3\.GIF\); "
        "convert them to PNG or JPEG to use them",
    ):
        driftseg.frames(tmp_path)
    assert told_unread([]) == ""
