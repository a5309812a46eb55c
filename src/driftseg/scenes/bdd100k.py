"""BDD100K's segmentation part (Yu et al. 2020) as published.

``images/10k/<split>/<scene>.jpg`` with ``labels/sem_seg/masks/<split>/<scene>.png``, whose ids are
Cityscapes' training ids; ``test`` has no labels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from driftseg.frame import Label
from driftseg.images.reading import read_ids, translate
from driftseg.labels import CITYSCAPES19
from driftseg.labels.tables import CITYSCAPES_TRAIN_IDS
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, files_below, folders_in, match

IMAGES, LABELS = Path("images") / "10k", Path("labels") / "sem_seg" / "masks"


def _pairs(root: Path) -> list[Pair]:
    pairs: list[Pair] = []
    for split in folders_in(root / IMAGES):
        labels = root / LABELS / split.name
        pairs += match(
            files_below(split, deep=False), files_below(labels, ".png", deep=False),
            split=split.name, expected=_expected(labels),
        )  # fmt: skip
    return pairs


def _expected(labels: Path) -> Callable[[str], Path] | None:
    return (lambda scene: labels / f"{scene}.png") if labels.is_dir() else None


def read_label(path: Path) -> Label:
    """Training ids; InputError for another id."""
    return translate(read_ids(path), CITYSCAPES_TRAIN_IDS, name=str(path))


BDD100K = Layout(
    name="bdd100k",
    title="BDD100K",
    wanted=f"{IMAGES.as_posix()}/<split>/*.jpg and {LABELS.as_posix()}/<split>/*.png",
    label_space=CITYSCAPES19,
    found=lambda root: bool(folders_in(root / IMAGES)),
    pairs=_pairs,
    decode=read_label,
)


class Bdd100kSettings(LayoutSettings):
    """BDD100K's 10k images with semantic masks."""

    kind: Literal["bdd100k"] = "bdd100k"

    layout: ClassVar[Layout] = BDD100K
