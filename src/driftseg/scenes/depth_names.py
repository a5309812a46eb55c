"""Which depth picture belongs to which image, told by their names and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Ending = tuple[str, ...]
"""The last folders of a path and its name without suffix."""


@dataclass(frozen=True)
class MatchedDepths:
    """What each image's depth picture is."""

    pictures: Mapping[Path, Path]
    """By image file; an image without depth is in neither table."""
    doubtful: Mapping[Path, str]
    """Why an image's depth is not certain, by image file."""


def match_depths(
    images: Mapping[Path, str], root: Path, pictures: Sequence[Path], folder: Path
) -> MatchedDepths:
    """Finds each image's depth picture.

    That is the picture of the same path below its folder as the image's below its own, whatever
    their suffixes. Otherwise it is the picture that agrees with the image in the most last parts
    of the path (``0/frame1`` with ``train/0/frame1``), if no other picture and no image of
    another scene end like that: where every drive holds a ``frame1``, the name alone tells
    nothing, and weather on another scene's depth would look right at a glance.

    Args:
        images: all of the dataset, with the scene that each shows; one scene may be shown in
            several weathers.
        root: folder that the images' paths are taken from.
        pictures: of depth.
        folder: that theirs are taken from.
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
    """The whole first, the name alone last."""
    return (parts[start:] for start in range(len(parts)))
