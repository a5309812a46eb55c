"""Finds the depth picture of each image by names and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Ending = tuple[str, ...]
"""The folders of a path and its name without suffix."""


@dataclass(frozen=True)
class MatchedDepths:
    """The depth picture of each image."""

    pictures: Mapping[Path, Path]
    """Depth picture by image file; an image without depth is in neither table."""
    doubtful: Mapping[Path, str]
    """Why an image's depth is ambiguous, by image file."""


def match_depths(
    images: Mapping[Path, str], root: Path, pictures: Sequence[Path], folder: Path
) -> MatchedDepths:
    """Finds each image's depth picture.

    It is the picture with the same relative path as the image, apart from suffixes. Otherwise it is
    the picture that shares the most trailing parts of the path (``0/frame1`` with
    ``train/0/frame1``), if no other picture and no image of another scene share them. If every
    drive has a ``frame1``, the name alone is ambiguous, and weather on the depth of another scene
    would be hard to notice.

    Args:
        images: all images of the dataset with their scenes; one scene may have images in several
            kinds of weather.
        root: folder to which the paths of images are relative.
        pictures: of depth.
        folder: to which the paths of pictures are relative.
    """
    exact = {_parts(path, folder): path for path in pictures}
    depths: dict[Ending, list[Path]] = {}
    for parts, path in exact.items():
        for ending in _endings(parts):
            depths.setdefault(ending, []).append(path)
    longest: dict[Path, Ending] = {}
    shown: dict[Ending, dict[str, Path]] = {}
    for image, scene in images.items():
        endings = [ending for ending in _endings(_parts(image, root)) if ending in depths]
        if endings:
            longest[image] = endings[0]
        for ending in endings:
            shown.setdefault(ending, {}).setdefault(scene, image)
    found, doubtful = {}, {}
    for image, ending in longest.items():
        others = [other for scene, other in shown[ending].items() if scene != images[image]]
        if (same := exact.get(_parts(image, root))) is not None:
            found[image] = same
        elif len(depths[ending]) > 1:
            first, second = sorted(depths[ending])[:2]
            doubtful[image] = f"both {first} and {second}"
        elif others:
            doubtful[image] = f"{depths[ending][0]}, which fits {others[0]}, too"
        else:
            found[image] = depths[ending][0]
    return MatchedDepths(found, doubtful)


def _parts(path: Path, root: Path) -> Ending:
    return Path(os.path.relpath(path, root)).with_suffix("").parts


def _endings(parts: Ending) -> Iterator[Ending]:
    """The full path first, the name alone last."""
    return (parts[start:] for start in range(len(parts)))
