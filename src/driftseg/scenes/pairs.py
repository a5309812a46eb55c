"""Scenes as their files are found on disk: images and labels listed, and joined by their scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from driftseg.images.listing import is_image, natural


@dataclass(frozen=True)
class Pair:
    """One scene's files as found on disk, whole or not."""

    split: str
    """``train``, ``val``, ...; ``all`` where the layout has none."""
    domain: str
    """The layout's word for its condition: ``clear``, ``rain/100mm``, ``fog``, ``night``; empty
    where it knows none."""
    name: str
    """Unique in its dataset; begins with ``<domain>/`` where a scene is shown in several."""
    image: Path | None
    """None: a label without its image."""
    label: Path | None
    """None: there is none, see ``missing``."""
    depth: Path | None = None
    camera: Path | None = None
    missing: Path | None = None
    """The label file that should be there and is not; None with no label means that this part of
    the dataset is unlabelled."""
    fault: str = ""
    """Why it cannot be used, where its files alone tell it: two of them are its image."""


def by_name(pair: Pair) -> tuple[object, ...]:
    """Key of a layout's order: split, domain where the name begins with it, natural name."""
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
    """Images and labels of one split and domain, joined by the scene they show.

    Args:
        images: scene and file each.
        labels: scene and file each; a label whose image is missing becomes a pair without image.
        split: of all.
        domain: of all.
        expected: where a scene's label should lie; None says that this part has no labels.
        prefix: put before the scene to make a name that is unique in the dataset.

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
    """Each scene's file, and what is wrong where a scene has several."""
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
    """The image files below a folder, with the scene each shows: its name without the ending.

    Args:
        folder: may be missing.
        ending: what the authors add to the scene, with or without a suffix: ``_image.jpg``
            takes only such files, ``.JPG`` as well, ``_image`` any kind of image.
        deep: whether folders in it count.
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
    """The folders in a folder, in natural order, without hidden ones; none where it is missing."""
    if not folder.is_dir():
        return []
    found = (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return sorted(found, key=natural)
