"""ACDC (Sakaridis et al. 2021) and Dark Zurich (Sakaridis et al. 2019) as published.

ACDC: ``rgb_anon/<condition>/<split>/<sequence>/<frame>_rgb_anon.png`` with
``gt/<condition>/<split>/<sequence>/<frame>_gt_labelIds.png`` or ``..._gt_labelTrainIds.png``; each
image has a reference image of the same place in clear weather, in the split ``<split>_ref``. Dark
Zurich has split and condition in the opposite order, and labels only for ``val``. Names are
``<condition>/<frame>``, with ``_ref`` at the end of reference images.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from driftseg.labels import CITYSCAPES19
from driftseg.scenes.cityscapes import read_label
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, by_name, files_below, folders_in, match

IMAGES, LABELS = "rgb_anon", "gt"
CONDITIONS = ("fog", "night", "rain", "snow")
TIMES = ("day", "night", "twilight")
IDS_ENDING, TRAIN_IDS_ENDING = "_gt_labelIds.png", "_gt_labelTrainIds.png"


def _parts(root: Path) -> list[tuple[str, str, Path]]:
    """ACDC's splits: split, condition, and the folder below images and labels."""
    return [
        (split.name, condition, Path(condition) / split.name)
        for condition in CONDITIONS
        for split in folders_in(root / IMAGES / condition)
    ]


def _dark_parts(root: Path) -> list[tuple[str, str, Path]]:
    """The same for Dark Zurich."""
    return [
        (split.name, time.name, Path(split.name) / time.name)
        for split in folders_in(root / IMAGES)
        if split.name not in CONDITIONS
        for time in folders_in(split)
        if time.name in TIMES
    ]


def _pairs_of(root: Path, parts: list[tuple[str, str, Path]]) -> list[Pair]:
    pairs: list[Pair] = []
    for split, domain, part in parts:
        pairs += match(
            _images(root / IMAGES / part), _labels(root / LABELS / part),
            split=split, domain=domain, expected=_expected(root / LABELS / part),
            prefix=f"{domain}/",
        )  # fmt: skip
    return sorted(pairs, key=by_name)


def _images(folder: Path) -> list[tuple[str, Path]]:
    references = [(f"{frame}_ref", path) for frame, path in files_below(folder, "_rgb_ref_anon")]
    return files_below(folder, "_rgb_anon") + references


def _labels(folder: Path) -> list[tuple[str, Path]]:
    """Label files; label ids if both codings exist. Labels of reference images are included."""
    found: list[tuple[str, Path]] = []
    for ending in (TRAIN_IDS_ENDING, IDS_ENDING):
        found += files_below(folder, ending)
        reference = ending.replace("_gt_", "_gt_ref_")
        found += [(f"{frame}_ref", path) for frame, path in files_below(folder, reference)]
    return found


def _expected(labels: Path) -> Callable[[str], Path] | None:
    """Expected path of a label; a frame's name begins with its sequence."""
    if not labels.is_dir():
        return None

    def place(scene: str) -> Path:
        frame = scene.removesuffix("_ref")
        ending = IDS_ENDING if frame == scene else IDS_ENDING.replace("_gt_", "_gt_ref_")
        return labels / frame.split("_")[0] / f"{frame}{ending}"

    return place


ACDC = Layout(
    name="acdc",
    title="ACDC",
    wanted=(
        f"{IMAGES}/<condition>/<split>/<sequence>/*_rgb_anon.png and "
        f"{LABELS}/<condition>/<split>/<sequence>/*{IDS_ENDING}, conditions being {CONDITIONS}"
    ),
    label_space=CITYSCAPES19,
    found=lambda root: bool(_parts(root)),
    pairs=lambda root: _pairs_of(root, _parts(root)),
    decode=read_label,
)

DARK_ZURICH = Layout(
    name="dark_zurich",
    title="Dark Zurich",
    wanted=(
        f"{IMAGES}/<split>/<time>/<sequence>/*_rgb_anon.png and "
        f"{LABELS}/<split>/<time>/<sequence>/*{IDS_ENDING}, times being {TIMES}"
    ),
    label_space=CITYSCAPES19,
    found=lambda root: bool(_dark_parts(root)),
    pairs=lambda root: _pairs_of(root, _dark_parts(root)),
    decode=read_label,
)


class AcdcSettings(LayoutSettings):
    """ACDC: ``fog``, ``night``, ``rain``, ``snow``; reference images in the split train_ref."""

    kind: Literal["acdc"] = "acdc"

    layout: ClassVar[Layout] = ACDC


class DarkZurichSettings(LayoutSettings):
    """Dark Zurich: ``day``, ``twilight``, ``night``; val has labels."""

    kind: Literal["dark_zurich"] = "dark_zurich"

    layout: ClassVar[Layout] = DARK_ZURICH
