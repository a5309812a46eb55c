"""Opens video files, cameras and streams with OpenCV, without OpenCV's messages."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.images.listing import IMAGE_SUFFIXES
from driftseg.scenes.addresses import masked


class Capture(Protocol):
    """The methods of `cv2.VideoCapture` that are used."""

    def read(self) -> tuple[bool, Any]:
        """Whether there was a frame, and the frame: BGR, (H, W, 3), uint8."""
        ...

    def release(self) -> None:
        """Closes it."""
        ...


def open_file(path: Path) -> cv2.VideoCapture:
    """Opens a video file at its first frame.

    Raises:
        InputError: there is no such file, or it is no video that OpenCV can decode.
    """
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(path), re.IGNORECASE):
        address = masked(re.sub(":/+", "://", str(path), count=1))
        raise InputError(
            f"{address}: expected a video file, got the address of a stream. To fix: take kind: "
            "camera with url"
        )
    if not path.exists():
        raise InputError(
            f"{path}: expected a video file, got a path where there is none. To fix: check the path"
        )
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        raise InputError(
            f"{path}: expected a video file, got {'a folder' if path.is_dir() else 'an image'}. To "
            "fix: take kind: folder, or kind: images with a pattern"
        )
    with _quiet():
        # FFmpeg decodes text files as video of a terminal
        capture = None if path.suffix.lower() == ".txt" else cv2.VideoCapture(str(path))
    if capture is None or not capture.isOpened():
        raise InputError(
            f"{path}: expected a video that OpenCV can open, got a damaged file, another file or "
            "an unknown coding. To fix: convert it to H.264 in .mp4 or MJPG in .avi"
        )
    return capture


def open_live(source: int | str, *, patience: float) -> cv2.VideoCapture:
    """Opens a camera by number, or a stream by address.

    Args:
        source: 0 is the first camera; ``rtsp://...`` or ``http://...``.
        patience: seconds to wait for a connection or a frame of a stream.

    Raises:
        InputError: it cannot be opened.
    """
    if isinstance(source, int):
        with _quiet():
            capture = cv2.VideoCapture(source)
        if not capture.isOpened():
            raise InputError(
                f"camera {source}: expected a camera that can be opened, got none. To fix: "
                "check that it is plugged in, that no other program uses it and that you may "
                "use it (Linux: group video), or try another device"
            )
        return capture
    wait = int(1000 * patience)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait]
    with _quiet():
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        raise InputError(
            f"{masked(source)}: expected a stream that can be opened, got none in {patience:g} s. "
            "To fix: check the address, user and password, and that the source sends"
        )
    return capture


def read(capture: Capture) -> Image | None:
    """The next frame, RGB; None if there is none."""
    try:
        there, image = capture.read()
    except cv2.error:
        return None
    return to_rgb(image) if there and image is not None else None


def to_rgb(image: Any) -> Image:
    """RGB, (H, W, 3), from OpenCV's BGR, or from grey of an infrared camera."""
    code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses OpenCV's lines on stderr; our errors say what is wrong."""
    # OpenCV reads this when it first uses FFmpeg; a value that the user has set stays.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
