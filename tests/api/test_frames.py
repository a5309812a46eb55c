"""Frames of a drive from files, folders, patterns and videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

import driftseg
from driftseg import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2, 9, 10, 100):
        PillowImage.new("RGB", (40, 32), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return tmp_path


def reds(source, **settings) -> list[int]:
    return [int(image[0, 0, 0]) for image in driftseg.frames(source, **settings)]


def test_a_folder_comes_in_natural_order(folder: Path) -> None:
    assert reds(folder) == [1, 2, 9, 10, 100]
    assert reds(str(folder), start=1, every=2) == [2, 10]
    assert reds(folder, stop=2) == [1, 2]


def test_a_pattern_and_a_single_file(folder: Path) -> None:
    assert reds(f"{folder}/%d.png") == [1, 2, 9, 10, 100]
    assert sorted(reds(f"{folder}/1*.png")) == [1, 10, 100]
    assert reds(folder / "9.png") == [9]
    assert next(driftseg.frames(folder, size=(32, 32))).shape == (32, 32, 3)


def test_a_video(tmp_path: Path) -> None:
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(6):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    levels = [image.mean() for image in driftseg.frames(path)]
    assert levels == pytest.approx([0, 40, 80, 120, 160, 200], abs=4)
    some = [image.mean() for image in driftseg.frames(path, start=1, stop=5, every=2)]
    assert some == pytest.approx([40, 120], abs=4)
    with pytest.raises(InputError, match="expected frames from start=9 on, got 6 frames in all"):
        list(driftseg.frames(path, start=9))


def test_mistakes_are_told_at_once(tmp_path: Path) -> None:
    for source, message in (
        (tmp_path / "gone.mp4", "expected a video file, got a path where there is none"),
        (
            tmp_path,
            r"expected a folder with images, got none; images end in \.bmp \.jfif \.jpe "
            r"\.jpeg \.jpg \.pgm \.png \.pnm \.ppm \.tif",
        ),
        (f"{tmp_path}/*.png", "expected a pattern that matches image files, got no match"),
    ):
        with pytest.raises(InputError, match=message):
            driftseg.frames(source)
    with pytest.raises(InputError, match="every >= 1"):
        driftseg.frames(tmp_path, every=0)
