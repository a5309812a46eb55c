"""Drives over videos and folders that are not what they should be."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from driftseg.api.driving import drive
from driftseg.errors import InputError


def noisy_video(path: Path, frames: int) -> None:
    """Frames that do not compress, so that half of the bytes is about half of the frames."""
    draw = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 64))
    for _ in range(frames):
        writer.write(draw.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    writer.release()


def test_a_video_that_is_cut_off(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """What is there is answered and kept; then one line says how much is missing."""
    noisy_video(tmp_path / "whole.avi", 20)
    data = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError) as error:
        drive(tmp_path / "cut.avi", tiny_checkpoint, learn=False, out=tmp_path / "out",
              save=["labels"])  # fmt: skip
    kept = len(list((tmp_path / "out" / "labels").iterdir()))
    assert 5 <= kept <= 12
    assert str(error.value) == (
        f"{tmp_path / 'cut.avi'}: expected 20 frames, got {kept}: the video is cut off or damaged. "
        f"The {kept} frames were answered, and kept in {tmp_path / 'out'}"
    )
    assert len((tmp_path / "out" / "frames.jsonl").read_text().splitlines()) == kept


def test_a_part_of_a_whole_video_is_no_mistake(tiny_checkpoint: Path, tmp_path: Path) -> None:
    noisy_video(tmp_path / "whole.avi", 6)
    assert drive(tmp_path / "whole.avi", tiny_checkpoint, learn=False, start=1, stop=5).frame == 4
    assert drive(tmp_path / "whole.avi", tiny_checkpoint, learn=False, every=4).frame == 2


def folder_of(tmp_path: Path, *sizes: tuple[int, int]) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, size in enumerate(sizes):
        PillowImage.new("RGB", size, (90, 90, 90)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("size", [None, (64, 32)])
def test_frames_of_two_shapes(
    tiny_checkpoint: Path, tmp_path: Path, size: tuple[int, int] | None
) -> None:
    folder = folder_of(tmp_path, (96, 64), (96, 96))
    with pytest.raises(InputError, match="frame 1: expected 96x64 as the frames before it, got "):
        drive(folder, tiny_checkpoint, learn=False, size=size)


def test_frames_of_one_shape_and_two_sizes_can_be_shrunk(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, (96, 64), (192, 128))
    with pytest.raises(InputError, match="can be shrunk by size"):
        drive(folder, tiny_checkpoint, learn=False)
    assert drive(folder, tiny_checkpoint, learn=False, size=(96, 64)).frame == 2


def test_an_image_that_cannot_be_read(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, (96, 64), (96, 64))
    (folder / "1.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError, match=re.escape(str(folder / "1.png"))):
        drive(folder, tiny_checkpoint, learn=False, out=tmp_path / "out", save=["labels"])
    assert [path.name for path in (tmp_path / "out" / "labels").iterdir()] == ["0.png"]


@pytest.mark.parametrize("content", [b"", b"not a video at all"])
def test_files_that_hold_no_frames(tiny_checkpoint: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "drive.mp4").write_bytes(content)
    with pytest.raises(
        InputError,
        match=r"/drive\.mp4: expected a video that OpenCV can open, "
        "got a damaged file, another f",
    ):
        drive(tmp_path / "drive.mp4", tiny_checkpoint, learn=False)


def test_a_folder_without_images(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match="expected a folder with images, got none; images end "
        r"in \.bmp \.jfif \.jpe \.jpeg \.jpg \.pgm \.png "
        r"\.pnm \.ppm \.tif",
    ):
        drive(tmp_path, tiny_checkpoint, learn=False)
