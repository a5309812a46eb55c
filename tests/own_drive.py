"""A drive with four classes of its own, on disk, made of Town."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from driftseg.labels import CAMVID11
from driftseg.town.town import Town

SIZE = (96, 64)
CLASSES = ("track", "grass", "obstacle", "sky")
GROUPS = {"road": "track", "pavement": "track", "tree": "grass", "sky": "sky"}
"""Town's classes as ours; all others are obstacles."""
RAW = {"track": (1, 2), "grass": (5,), "obstacle": (7, 9), "sky": (10,)}
"""Ids in ``raw_labels``; 0 has no class."""


def own_labels(label: np.ndarray) -> np.ndarray:
    """Town's ids as 0 to 3, and 255 in a corner."""
    table = [CLASSES.index(GROUPS.get(name, "obstacle")) for name in CAMVID11.classes]
    own = np.array(table, np.uint8)[label]
    own[:4, :4] = 255
    return own


def raw_labels(own: np.ndarray) -> np.ndarray:
    """The same in the ids of ``RAW``; what has several ids has both, by turns of columns."""
    raw = np.zeros_like(own)
    for number, name in enumerate(CLASSES):
        ids = RAW[name]
        columns = np.arange(own.shape[1]) % len(ids)
        raw = np.where(own == number, np.array(ids, np.uint8)[columns][None, :], raw)
    return raw.astype(np.uint8)


def write_drive(root: Path, frames: int = 4) -> Path:
    """Folders ``images``, ``labels`` and ``raw_labels``."""
    town = Town(seed=5, size=SIZE)
    for i in range(frames):
        scene = town.render(35 * i)
        assert scene.label is not None
        own = own_labels(scene.label)
        raw = raw_labels(own)
        for name, picture in (("images", scene.image), ("labels", own), ("raw_labels", raw)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(root / name / f"f{i}.png")
    return root
