"""Images that match a pattern, as frames of a sequence without labels."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Literal

from driftseg.errors import InputError
from driftseg.images.listing import IMAGE_SUFFIXES, natural
from driftseg.images.reading import Size, read_ids
from driftseg.labels import LabelSpace
from driftseg.scenes.dataset import Entry, SceneFiles
from driftseg.scenes.frames import FrameRangeSettings
from driftseg.scenes.sizes import check_one_size, check_sizes
from driftseg.weather.camera import CITYSCAPES, Camera

NUMBER = re.compile(r"%(?:0(\d+))?d")


class SequenceSettings(FrameRangeSettings):
    """Images that match a pattern, without labels."""

    kind: Literal["images"] = "images"
    pattern: str
    """Wildcards (``drive/*.png``) or a number (``drive/frame_%05d.png``)."""

    def make(self, camera: Camera = CITYSCAPES) -> SceneFiles:
        """The images in order."""
        images = sequence(
            self.pattern, label_space=self.space(), start=self.start, stop=self.stop,
            every=self.every, size=self.size,
        )  # fmt: skip
        if self.size is None:
            check_one_size(images.entries)
        else:
            check_sizes((entry.image for entry in images.entries), self.size)
        return images


def sequence(
    pattern: str,
    *,
    label_space: LabelSpace,
    start: int = 0,
    stop: int | None = None,
    every: int = 1,
    size: Size | None = None,
) -> SceneFiles:
    """Image files that match a pattern.

    Args:
        pattern: shell wildcards (``drive/*/left_*.png``; ``**`` for folders of any depth), in
            natural order of their paths; or one number as in C (``drive/frame_%05d.png``), in order
            of the numbers; numbers may be missing.
        label_space: of predictions.
        start: position of the first image kept, in that order.
        stop: position after the last one kept; None keeps the rest.
        every: keep every n-th image.
        size: (width, height) to shrink to.

    Raises:
        InputError: no image matches, or none is left.
    """
    paths = _numbered(pattern) if NUMBER.search(pattern) else _globbed(pattern)
    if not paths:
        raise InputError(
            f"{pattern}: expected a pattern that matches image files, got no match. To fix: use "
            "wildcards (drive/*.png) or a number (drive/frame_%05d.png), and one of "
            f"{' '.join(sorted(IMAGE_SUFFIXES))}" + " ".join(sorted(IMAGE_SUFFIXES))
        )
    chosen = paths[start:stop:every]
    if not chosen:
        raise InputError(
            f"{pattern}: expected images between start={start} and stop={stop}, got none of "
            f"{len(paths)}. To fix: change start or stop"
        )
    above = _fixed(pattern)
    entries = [
        Entry(str(path.relative_to(above).with_suffix("").as_posix()), path, None)
        for path in chosen
    ]
    return SceneFiles(entries, label_space=label_space, decode=read_ids, size=size)


def _globbed(pattern: str) -> list[Path]:
    found = (Path(name) for name in glob.glob(pattern, recursive=True))
    return sorted((path for path in found if path.suffix.lower() in IMAGE_SUFFIXES), key=natural)


def _numbered(pattern: str) -> list[Path]:
    """Files with a number at the place of ``%05d``, in order of that number."""
    folder, name = Path(pattern).parent, Path(pattern).name
    mark = NUMBER.search(name)
    if mark is None or len(NUMBER.findall(pattern)) > 1:
        raise InputError(
            f"{pattern}: expected one number, in the name of the file, got another pattern. To "
            "fix: write for example drive/frame_%05d.png"
        )
    digits = rf"(\d{{{mark[1]},}})" if mark[1] else r"(\d+)"
    wanted = re.compile(re.escape(name[: mark.start()]) + digits + re.escape(name[mark.end() :]))
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected a folder, got a path where there is none. To fix: check the "
            f"pattern {pattern}"
        )
    found = [
        (int(hit[1]), path) for path in folder.iterdir() if (hit := wanted.fullmatch(path.name))
    ]
    return [path for _, path in sorted(found) if path.suffix.lower() in IMAGE_SUFFIXES]


def _fixed(pattern: str) -> Path:
    """The folder above the first wildcard; names are relative to it."""
    parts = Path(pattern).parent.parts
    plain = [part for part in parts if not glob.has_magic(part)]
    return Path(*plain[: next((i for i, p in enumerate(parts) if glob.has_magic(p)), len(parts))])
