"""Checks the sizes of image files by their headers, before any image is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from driftseg.errors import InputError, UnreadableError
from driftseg.images.reading import Size, check_shrinks, read_size
from driftseg.scenes.dataset import Dataset, Entry, SceneFiles, Selection, files_of

SQUEEZED = 0.02
"""Relative change of the aspect ratio that is not reported, because sides are whole pixels."""


def check_one_size(entries: Sequence[Entry]) -> None:
    """Raises InputError if sizes differ; reads only headers and ignores damaged files."""
    first: tuple[Path, Size] | None = None
    for entry in entries:
        try:
            size = read_size(entry.image)
        except UnreadableError:
            continue  # a stream may skip it; reading it raises an error
        if first is None:
            first = (entry.image, size)
        if size != first[1]:
            raise InputError(
                f"{entry.image}: expected {first[1][0]}x{first[1][1]} as {first[0].name}, got "
                f"{size[0]}x{size[1]}. To fix: set size, which brings all images to one size"
            )


def check_sizes(paths: Iterable[Path], size: Size) -> None:
    """Raises InputError if an image is smaller than the size of the result.

    Args:
        paths: image files; damaged ones are ignored.
        size: (width, height).
    """
    for path, own in _sizes(paths):
        check_shrinks(own, size, name=str(path))


def check_least(
    dataset: Dataset, numbers: Iterable[int], least: Size, *, why: str, section: str = "target"
) -> None:
    """Raises InputError if a frame is smaller than the crop.

    Args:
        dataset: of image files; others cannot be checked before they are read.
        numbers: of its scenes.
        least: (width, height).
        why: what needs this size, for the error.
        section: of the dataset in the config.
    """
    if _shrunk_to(dataset) is not None:
        return  # all have one size
    files = (files_of(dataset, number) for number in sorted({*numbers}))
    for path, (width, height) in _sizes(found[0] for found in files if found):
        if width < least[0] or height < least[1]:
            raise InputError(
                f"{path}: expected at least {least[0]}x{least[1]} pixels, which {why}, got "
                f"{width}x{height}. To fix: set {section}.size to what all images can be "
                "shrunk to, or leave the image out with exclude"
            )


def squeezed(dataset: Dataset) -> str:
    """Images whose aspect ratio changes when they are shrunk, in words; empty if none."""
    size = _shrunk_to(dataset)
    if size is None:
        return ""
    files = [files_of(dataset, number) for number in range(len(dataset))]
    wanted = size[0] / size[1]
    odd = [
        (path, own) for path, own in _sizes(found[0] for found in files if found)
        if abs(own[0] / own[1] / wanted - 1) > SQUEEZED
    ]  # fmt: skip
    if not odd:
        return ""
    path, (width, height) = odd[0]
    return (
        f"{len(odd)} of {len(dataset)} images are squeezed: they have another ratio of width to "
        f"height than size {size[0]}x{size[1]}; the first is {path.name} with {width}x{height}"
    )


def _shrunk_to(dataset: Dataset) -> Size | None:
    while isinstance(dataset, Selection):
        dataset = dataset.dataset
    return dataset.size if isinstance(dataset, SceneFiles) else None


def _sizes(paths: Iterable[Path]) -> Iterator[tuple[Path, Size]]:
    for path in paths:
        try:
            yield path, read_size(path)
        except UnreadableError:
            continue  # a stream may skip it; reading it raises an error
