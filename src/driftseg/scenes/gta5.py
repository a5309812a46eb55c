"""GTA5, Playing for Data (Richter et al. 2016), as published, its ten parts in one folder.

``images/00001.png`` with ``labels/00001.png``: palette PNGs of Cityscapes' label ids. Some labels
have another size than their image. Such a scene raises an error with its name when it is read;
``exclude`` leaves it out. There are no splits: all scenes are in ``all``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from driftseg.frame import Label
from driftseg.images.reading import read_ids, translate
from driftseg.labels import CITYSCAPES19
from driftseg.labels.tables import GTA5_IDS
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, files_below, match

SCENE = re.compile(r"\d{5}")


def _files(folder: Path, ending: str = "") -> list[tuple[str, Path]]:
    return [
        (scene, path)
        for scene, path in files_below(folder, ending, deep=False)
        if SCENE.fullmatch(scene)
    ]


def _pairs(root: Path) -> list[Pair]:
    labels = root / "labels"
    expected = (lambda scene: labels / f"{scene}.png") if labels.is_dir() else None
    return match(_files(root / "images"), _files(labels, ".png"), split="all", expected=expected)


def read_label(path: Path) -> Label:
    """Label ids from the palette's indices; InputError for another id."""
    return translate(read_ids(path), GTA5_IDS, name=str(path))


GTA5 = Layout(
    name="gta5",
    title="GTA5",
    wanted="images/<5 digits>.png and labels/<5 digits>.png",
    label_space=CITYSCAPES19,
    found=lambda root: bool(_files(root / "images")),
    pairs=_pairs,
    decode=read_label,
)


class Gta5Settings(LayoutSettings):
    """GTA5 (Playing for Data)."""

    kind: Literal["gta5"] = "gta5"
    split: str | None = "all"

    layout: ClassVar[Layout] = GTA5
