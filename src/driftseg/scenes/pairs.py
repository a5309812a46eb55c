"""Scenes from files on disk: lists images and labels and joins them by scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from driftseg.images.listing import is_image, natural


@dataclass(frozen=True)
class Pair:
    """One scene's files on disk, complete or not."""

    split: str
    """``train``, ``val``, ...; ``all`` if the layout has no splits."""
    domain: str
    """The layout's word for its condition: ``clear``, ``rain/100mm``, ``fog``, ``night``; empty if
    it has none."""
    name: str
    """Unique in its dataset; begins with ``<domain>/`` if a scene has images in several domains."""
    image: Path | None
    """None if a label has no image."""
    label: Path | None
    """None if there is no label, see ``missing``."""
    depth: Path | None = None
    camera: Path | None = None
    missing: Path | None = None
    """The expected label file, if it is missing; None without a label means that this part of the
    dataset has no labels."""
    fault: str = ""
    """Why the scene cannot be used, as far as file names show it, such as two image files."""


def by_name(pair: Pair) -> tuple[object, ...]:
    """Sort key of a layout: split, domain if the name begins with it, natural name."""
    domain = f"{pair.domain}/" if pair.name.startswith(f"{pair.domain}/") else ""
    return pair.split, domain, natural(pair.name)


def match(
    images: Iterable[tuple[str, Path]],
    labels: Iterable[tuple[str, Path]],
    *,
    split: str,
    domain: str = "",
    expected: Callable[[str], Path] | None = None,
    prefix: str = "",
) -> list[Pair]:
    """Joins images and labels of one split and domain by scene.

    Args:
        images: pairs of scene and file.
        labels: pairs of scene and file; a label without an image gives a pair without image.
        split: of all.
        domain: of all.
        expected: path of a scene's label; None if this part has no labels.
        prefix: added before the scene to make its name unique in the dataset.

    Two files of one scene (``a.jpg`` beside ``a.png``) are its pair's ``fault``.
    """
    (shown, doubtful), (known, doubted) = _by_scene(images), _by_scene(labels)
    faults = doubted | doubtful
    pairs = []
    for scene in sorted({*shown, *known}, key=natural):
        label = known.get(scene)
        lacks = expected is not None and label is None and scene in shown
        missing = expected(scene) if expected is not None and lacks else None
        fault = faults.get(scene, "")
        image = shown.get(scene)
        pairs.append(Pair(split, domain, prefix + scene, image, label, None, None, missing, fault))
    return pairs


def _by_scene(files: Iterable[tuple[str, Path]]) -> tuple[dict[str, Path], dict[str, str]]:
    """Each scene's file, and an error for each scene with several files."""
    found: dict[str, Path] = {}
    faults: dict[str, str] = {}
    for scene, path in files:
        other = found.setdefault(scene, path)
        if other != path:
            faults[scene] = (
                f"{path}: is the same scene as {other}, and only one of them can be taken; "
                "remove the other or move it away"
            )
    return found, faults


def files_below(folder: Path, ending: str = "", *, deep: bool = True) -> list[tuple[str, Path]]:
    """The image files below a folder with their scenes: the file name without the ending.

    Args:
        folder: may be missing.
        ending: the part of the name after the scene, with or without a suffix: ``_image.jpg`` takes
            only such files, also with ``.JPG``; ``_image`` takes all image formats.
        deep: whether to search folders in it.
    """
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.rglob("*") if deep else folder.iterdir(), key=natural):
        name = path.stem + (path.suffix.lower() if "." in ending else "")
        if is_image(path) and name.endswith(ending):
            found.append((name[: len(name) - len(ending)], path))
    return found


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder in natural order, without hidden ones; none if it is missing."""
    if not folder.is_dir():
        return []
    found = (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return sorted(found, key=natural)
