"""SHIFT (Sun et al. 2022) in the authors' layout, with its archives unpacked in place.

``<shift>/<rate>/<split>/<view>/img/<sequence>/<frame>_img_<view>.jpg`` with ``semseg/`` and
``depth/`` beside ``img/``; the shift is ``discrete`` or ``continuous/1x`` to ``continuous/100x``,
the rate ``images`` (1 a second) or ``videos`` (10). Label PNGs hold ids in their first channel. If
``seq.csv`` is beside ``img/``, the domain of a sequence also has its first weather and time of day:
``discrete/rainy/night``. Names are ``<shift>/<rate>/<sequence>/<frame>_<view>``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from driftseg.frame import Label
from driftseg.images.label_coding import FIRST_CHANNEL_CODINGS
from driftseg.images.reading import read_first_channel, translate
from driftseg.labels import SHIFT14
from driftseg.labels.tables import SHIFT_IDS
from driftseg.scenes.layout import Layout, LayoutSettings
from driftseg.scenes.pairs import Pair, by_name, files_below, folders_in, match

RATES = ("images", "videos")


def _shifts(root: Path) -> list[tuple[str, Path]]:
    """The kinds of shift: name and folder."""
    found = [("discrete", root / "discrete")] if (root / "discrete").is_dir() else []
    return found + [
        (f"continuous/{speed.name}", speed) for speed in folders_in(root / "continuous")
    ]


def _views(shift: Path) -> Iterable[tuple[str, str, Path]]:
    """Rate, split and folder of every view that holds images."""
    for rate in RATES:
        for split in folders_in(shift / rate):
            for view in folders_in(split):
                if (view / "img").is_dir():
                    yield rate, split.name, view


def _found(root: Path) -> bool:
    return any(True for _, shift in _shifts(root) for _ in _views(shift))


def _pairs(root: Path) -> list[Pair]:
    pairs: list[Pair] = []
    for name, shift in _shifts(root):
        for rate, split, view in _views(shift):
            pairs += _of_view(f"{name}/{rate}/", name, split, view)
    return sorted(pairs, key=by_name)


def _of_view(prefix: str, domain: str, split: str, view: Path) -> list[Pair]:
    weather = _weather(view / "seq.csv")
    depths = dict(_frames(view, "depth"))
    found = match(
        _frames(view, "img"), _frames(view, "semseg"), split=split, domain=domain,
        expected=_expected(view),
    )  # fmt: skip
    return [
        replace(
            pair,
            domain="/".join([domain, *weather.get(pair.name.split("/")[0], ())]),
            depth=depths.get(pair.name),
            name=f"{prefix}{pair.name}_{view.name}",
        )
        for pair in found
    ]


def _frames(view: Path, group: str) -> list[tuple[str, Path]]:
    """Sequence and frame, and file, of one kind of data."""
    ending = f"_{group}_{view.name}"
    return [
        (f"{path.parent.name}/{frame}", path) for frame, path in files_below(view / group, ending)
    ]


def _expected(view: Path) -> Callable[[str], Path] | None:
    labels = view / "semseg"
    return (lambda frame: labels / f"{frame}_semseg_{view.name}.png") if labels.is_dir() else None


def _weather(table: Path) -> dict[str, tuple[str, str]]:
    """First weather and time of day of each sequence, if the table has them."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        return {
            row.get("video", ""): (
                row["start_weather_coarse"].replace(" ", "_"),
                row["start_timeofday_coarse"].replace(" ", "_"),
            )
            for row in csv.DictReader(file)
            if row.get("start_weather_coarse") and row.get("start_timeofday_coarse")
        }


def read_label(path: Path) -> Label:
    """Ids of the first channel in the fourteen classes; InputError for another id."""
    return translate(read_first_channel(path), SHIFT_IDS, name=str(path))


SHIFT = Layout(
    name="shift",
    title="SHIFT",
    wanted=(
        "discrete/ or continuous/<speed>/, in it <images or videos>/<split>/<view>/img/<sequence>/"
        "*_img_<view>.jpg and .../semseg/<sequence>/*_semseg_<view>.png (unpack img.zip and "
        "semseg.zip into folders img/ and semseg/)"
    ),
    label_space=SHIFT14,
    found=_found,
    pairs=_pairs,
    decode=read_label,
    codings=lambda path: FIRST_CHANNEL_CODINGS,
)


class ShiftSettings(LayoutSettings):
    """SHIFT; domains: ``discrete``, ``continuous/10x``, or in detail ``discrete/rainy/night``."""

    kind: Literal["shift"] = "shift"

    layout: ClassVar[Layout] = SHIFT
