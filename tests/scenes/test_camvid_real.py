"""CamVid itself, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftseg.labels import CAMVID11
from driftseg.replay.sampling import class_counts
from driftseg.scenes.camvid import camvid
from driftseg.scenes.dataset import select

pytestmark = pytest.mark.data


def test_splits_and_sequences(camvid_root: Path) -> None:
    train, val = camvid(camvid_root), camvid(camvid_root, split="val")
    assert (len(train), len(val)) == (367, 101)
    for prefix, number in (("0001TP", 62), ("0006R0", 101), ("0016E5", 204)):
        assert len(select(train, include=[f"{prefix}_*"], where="train")) == number


def test_every_label_is_readable_and_every_class_appears(camvid_root: Path) -> None:
    counts = class_counts(camvid(camvid_root, size=(160, 120)))
    assert counts.shape == (367, len(CAMVID11))
    assert (counts.sum(axis=0) > 0).all()


def test_dusk_is_dark(camvid_root: Path) -> None:
    train = camvid(camvid_root, size=(160, 120))
    dusk = select(train, include=["0001TP_*"], where="train")
    day = select(train, include=["0016E5_*"], where="train")
    mean = [np.mean([d.scene(i).image.mean() for i in range(0, 60, 10)]) for d in (dusk, day)]
    assert mean[0] < 75 < 90 < mean[1]
