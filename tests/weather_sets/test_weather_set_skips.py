"""A scene that cannot be used is left out and told; all others are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weather_trees import files, make, pixels, save, write_camvid

NAME = "0016E5_00001.png"


def grey(path: Path) -> None:
    save(path, np.full((48, 64), 300, np.uint16))


def small(path: Path) -> None:
    save(path, np.zeros((10, 10), np.uint8))


def unknown(path: Path) -> None:
    save(path, np.full((48, 64), 77, np.uint8))


def coloured(path: Path) -> None:
    save(path, np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "file", "reason"),
    [
        (
            small,
            f"valannot/{NAME}",
            "valannot/0016E5_00001.png: expected a label "
            "of its image's size 64x48, got 10x10. To fix",
        ),
        (unknown, f"valannot/{NAME}", r"expected label ids 0..10 or 255 (ignore), got id 77"),
        (
            coloured,
            f"valannot/{NAME}",
            "valannot/0016E5_00001.png: expected a label "
            "map with one id a pixel (8-bit grey or palette ",
        ),
        (
            grey,
            f"valannot/{NAME}",
            "valannot/0016E5_00001.png: expected a label map "
            "with one id a pixel (8-bit grey or palette ",
        ),
        (
            grey,
            f"val/{NAME}",
            "camvid/val/0016E5_00001.png: expected an image of 8 bits "
            "a channel, got grey of 16 bits or more",
        ),
    ],
)
@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=pytest.mark.slow)]
)  # what a worker process tells of an image is in `tests/cli/test_weather.py`, of a label in
# `tests/cli/test_weather_sources.py`
def test_is_left_out_and_told(spoil, file: str, reason: str, workers: int, tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, tmp_path / "whole")
    good = pixels(root / file)
    spoil(root / file)
    for made in (2, 0):
        outcome = make(root, out, workers=workers)
        assert outcome.made == made
        assert list(outcome.unreadable) == [f"val/{NAME}"]
        assert reason in outcome.unreadable[f"val/{NAME}"]
        assert not list(out.rglob(NAME))
    save(root / file, good)
    mended = make(root, out, workers=workers)
    assert (mended.made, mended.kept, mended.unreadable) == (1, 2, {})
    image = f"rain/50mm/val/{NAME}"
    assert files(out)[image] == files(tmp_path / "whole")[image]


def test_what_was_made_before_a_label_was_spoilt_is_removed(tmp_path: Path) -> None:
    root, out = write_camvid(tmp_path / "camvid"), tmp_path / "set"
    make(root, out)
    unknown(root / "valannot" / NAME)
    outcome = make(root, out)
    assert (outcome.made, outcome.kept, len(outcome.unreadable)) == (0, 2, 1)
    assert not list(out.rglob(NAME))
