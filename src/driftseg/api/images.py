"""Images from arrays, PIL images, torch tensors, files, folders and cameras."""

from __future__ import annotations

import glob
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.images.given import as_image
from driftseg.images.listing import IMAGE_SUFFIXES, list_images, told_unread, unread_images
from driftseg.images.reading import read_image, resize_image
from driftseg.labels import CAMVID11
from driftseg.scenes.addresses import is_address, masked_text
from driftseg.scenes.capture import open_file, read
from driftseg.scenes.live import LiveSettings
from driftseg.scenes.sequence import NUMBER, sequence
from driftseg.scenes.sizes import check_sizes

ENDLESS = 2**31
"""Frames of a live source that nobody has counted."""


def frames(
    source: str | Path | int,
    *,
    size: tuple[int, int] | None = None,
    start: int = 0,
    stop: int | None = None,
    every: int = 1,
) -> Iterator[Image]:
    """Yields the images of a drive as RGB arrays (H, W, 3) of uint8.

    Args:
        source: a video file; a folder of images, in natural order of their names; a pattern
            (``drive/*.png``, ``drive/frame_%05d.png``); a camera's number; or the address of a
            stream (``rtsp://...``), in which ``$NAME`` is taken from the environment
            and percent-encoded. Of a camera
            or stream each frame is the newest there is.
        size: (width, height) to shrink to; None keeps the size of the images.
        start: first frame kept.
        stop: frame after the last one kept; None is the end; a camera has none.
        every: keep every n-th frame.

    Raises:
        InputError: the source cannot be read.
    """
    if every < 1 or start < 0:
        raise InputError(
            f"frames: expected every >= 1 and start >= 0, got {every} and {start}. To fix: give "
            "such numbers"
        )
    if size is not None and (not isinstance(size, list | tuple) or len(size) != 2):
        raise InputError(
            f"frames: expected size as (width, height), got {size!r}. To fix: give for example "
            "size=(480, 360)"
        )
    if size is not None:
        size = (size[0], size[1])
    if isinstance(source, int) or is_address(source):
        return _live(source, size, start, stop, every)
    if isinstance(source, str) and (glob.has_magic(source) or NUMBER.search(source)):
        found = sequence(source, label_space=CAMVID11, start=start, stop=stop, every=every)
        return _files([entry.image for entry in found.entries], size)
    path = Path(source).expanduser()
    if path.is_dir():
        paths, unread = list_images(path), told_unread(unread_images([path]))
        if not paths:
            wanted = "images end in " + " ".join(sorted(IMAGE_SUFFIXES))
            raise InputError(
                f"{path}: expected a folder with images, got none; {unread or wanted}. To fix: "
                "name another folder"
            )
        if unread:
            warnings.warn(unread, stacklevel=2)
        return _files(paths[start:stop:every], size)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        return _files([path], size)
    capture = open_file(path)  # says at once what is wrong
    return _video(capture, path, size, start, stop, every)


def _files(paths: Sequence[Path], size: tuple[int, int] | None) -> Iterator[Image]:
    if size is not None:
        check_sizes(paths, size)  # before the first frame
    return _read(paths, size)


def _read(paths: Sequence[Path], size: tuple[int, int] | None) -> Iterator[Image]:
    for path in paths:
        yield _sized(read_image(path), size, str(path))


def _video(
    capture: Any, path: Path, size: tuple[int, int] | None, start: int, stop: int | None, every: int
) -> Iterator[Image]:
    try:
        number = 0
        while stop is None or number < stop:
            image = read(capture)
            if image is None:
                break
            if number >= start and (number - start) % every == 0:
                yield _sized(image, size, f"{path}, frame {number}")
            number += 1
        if number <= start:
            raise InputError(
                f"{path}: expected frames from start={start} on, got {number} frames in all. To "
                "fix: give a smaller start"
            )
    finally:
        capture.release()


def _live(
    source: str | Path | int, size: tuple[int, int] | None, start: int, stop: int | None, every: int
) -> Iterator[Image]:
    where: dict[str, Any] = {"device": source} if isinstance(source, int) else {"url": str(source)}
    scenes = LiveSettings(frames=ENDLESS, **where).make()
    try:
        for number in range(start, ENDLESS if stop is None else stop, every):
            yield _sized(scenes.scene(number).image, size, f"frame {number}")
    finally:
        scenes.close()


def _sized(image: Image, size: tuple[int, int] | None, name: str) -> Image:
    return image if size is None else resize_image(image, size, name=name)


def without_secrets(text: str) -> str:
    """The text without the passwords in addresses of streams."""
    return masked_text(text)


def is_batch(given: Any) -> bool:
    """Whether several images were given: a list or tuple of images, or four dimensions."""
    if isinstance(given, list | tuple):
        return True
    return getattr(given, "ndim", 0) == 4


def as_images(given: Any) -> list[Image]:
    """Several images, or one in a list."""
    if not is_batch(given):
        return [as_image(given)]
    return [as_image(one, name=f"image {number}") for number, one in enumerate(given)]
