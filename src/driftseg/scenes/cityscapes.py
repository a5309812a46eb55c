"""Cityscapes (Cordts et al. 2016) as published.

``leftImg8bit/<split>/<city>/<scene>_leftImg8bit.png`` and
``gtFine/<split>/<city>/<scene>_gtFine_labelIds.png`` or ``..._labelTrainIds.png``; if both exist,
the published label ids are read, so no conversion is needed. Depth is
``disparity/<split>/<city>/<scene>_disparity.png`` with
``camera/<split>/<city>/<scene>_camera.json``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from driftseg.frame import Label
from driftseg.images.reading import read_ids, translate
from driftseg.labels import CITYSCAPES19
from driftseg.labels.tables import CITYSCAPES_IDS, CITYSCAPES_TRAIN_IDS
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, files_below, folders_in, match

IMAGES, LABELS = "leftImg8bit", "gtFine"
IMAGE_ENDING = "_leftImg8bit.png"
IDS_ENDING, TRAIN_IDS_ENDING = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"
WEATHERS = frozenset({"rain", "fog", "night", "snow"})
"""Folders that Weather Cityscapes and `driftseg weather` put beside the cities."""


def cities(root: Path, folder: str, split: str) -> list[Path]:
    """The folders of one split's cities."""
    return [city for city in folders_in(root / folder / split) if city.name not in WEATHERS]


def city_labels(root: Path, split: str) -> dict[str, Path]:
    """A split's label files by scene; label ids if both codings exist."""
    found: dict[str, Path] = {}
    for ending in (TRAIN_IDS_ENDING, IDS_ENDING):
        for city in folders_in(root / LABELS / split):
            found |= dict(files_below(city, ending, deep=False))
    return found


def expected_label(root: Path, split: str) -> Callable[[str], Path] | None:
    """Expected path of a scene's label; None for a split without labels."""
    labels = root / LABELS / split
    if not labels.is_dir():
        return None
    return lambda scene: labels / scene.split("_")[0] / f"{scene}{IDS_ENDING}"


def with_depth(root: Path, pairs: list[Pair]) -> list[Pair]:
    """The pairs with the disparity and camera file of their scene, if these exist."""
    depths: dict[tuple[str, str], Path] = {}
    cameras: dict[tuple[str, str], Path] = {}
    for split in {pair.split for pair in pairs}:
        for city in folders_in(root / "disparity" / split):
            here = files_below(city, "_disparity.png", deep=False)
            depths |= {(split, scene): path for scene, path in here}
        for city in folders_in(root / "camera" / split):
            cameras |= {
                (split, path.name.removesuffix("_camera.json")): path
                for path in city.glob("*_camera.json")
            }
    return [
        replace(pair, depth=depths.get(place), camera=cameras.get(place))
        for pair in pairs
        for place in [(pair.split, pair.name.split("/")[-1])]
    ]


def _found(root: Path) -> bool:
    """Names of scenes begin with their city; this distinguishes Cityscapes from IDD."""
    return any(
        scene.startswith(f"{city.name}_")
        for split in folders_in(root / IMAGES)
        for city in cities(root, IMAGES, split.name)
        for scene, _ in files_below(city, IMAGE_ENDING, deep=False)
    )


def _pairs(root: Path) -> list[Pair]:
    pairs: list[Pair] = []
    for split in folders_in(root / IMAGES):
        images = [
            image
            for city in cities(root, IMAGES, split.name)
            for image in files_below(city, IMAGE_ENDING, deep=False)
        ]
        pairs += match(
            images,
            city_labels(root, split.name).items(),
            split=split.name,
            domain="clear",
            expected=expected_label(root, split.name),
        )
    return with_depth(root, pairs)


def read_label(path: Path) -> Label:
    """Reads label ids or training ids, as the file's name says; InputError for another id."""
    trained = path.name.endswith("TrainIds.png")
    table = CITYSCAPES_TRAIN_IDS if trained else CITYSCAPES_IDS
    return translate(read_ids(path), table, name=str(path))


CITYSCAPES = Layout(
    name="cityscapes",
    title="Cityscapes",
    wanted=f"{IMAGES}/<split>/<city>/*{IMAGE_ENDING} and {LABELS}/<split>/<city>/*{IDS_ENDING}",
    label_space=CITYSCAPES19,
    found=_found,
    pairs=_pairs,
    decode=read_label,
)


class CityscapesSettings(LayoutSettings):
    """Cityscapes; label ids or training ids."""

    kind: Literal["cityscapes"] = "cityscapes"

    layout: ClassVar[Layout] = CITYSCAPES
