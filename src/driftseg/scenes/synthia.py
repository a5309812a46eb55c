"""SYNTHIA-RAND-CITYSCAPES (Ros et al. 2016) as published.

``RGB/<scene>.png`` with ``GT/LABELS/<scene>.png``: 16-bit PNGs with the class in the first channel
and the instance in the second; many image readers cannot open them. Depth is in ``Depth/``. There
are no splits: all scenes are in ``all``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from driftseg.frame import Label
from driftseg.images.label_coding import FIRST_CHANNEL_CODINGS
from driftseg.images.reading import read_first_channel, translate
from driftseg.labels import SYNTHIA16
from driftseg.labels.tables import SYNTHIA_IDS
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, files_below, match

LABELS = Path("GT") / "LABELS"


def _pairs(root: Path) -> list[Pair]:
    labels = root / LABELS
    depths = dict(files_below(root / "Depth", ".png"))
    found = match(
        files_below(root / "RGB", deep=False), files_below(labels, ".png", deep=False),
        split="all", expected=(lambda s: labels / f"{s}.png") if labels.is_dir() else None,
    )  # fmt: skip
    return [replace(pair, depth=depths.get(pair.name)) for pair in found]


def read_label(path: Path) -> Label:
    """Ids of the first channel in the sixteen classes; InputError for another id."""
    return translate(read_first_channel(path), SYNTHIA_IDS, name=str(path))


SYNTHIA = Layout(
    name="synthia",
    title="SYNTHIA-RAND-CITYSCAPES",
    wanted=f"RGB/*.png and {LABELS.as_posix()}/*.png",
    label_space=SYNTHIA16,
    found=lambda root: (root / "RGB").is_dir() and (root / "GT").is_dir(),
    pairs=_pairs,
    decode=read_label,
    codings=lambda path: FIRST_CHANNEL_CODINGS,
)


class SynthiaSettings(LayoutSettings):
    """SYNTHIA-RAND-CITYSCAPES."""

    kind: Literal["synthia"] = "synthia"
    split: str | None = "all"

    layout: ClassVar[Layout] = SYNTHIA
