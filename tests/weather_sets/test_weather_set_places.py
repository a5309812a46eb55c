"""A weather set never lies where what it is made from does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.scenes.folder import folder
from weather_trees import files, make, save, write_camvid, write_folder


def test_the_source_is_never_touched(tmp_path: Path) -> None:
    root = write_camvid(tmp_path / "camvid", 1)
    before = files(root)
    for out in (root, root / "set", tmp_path):
        with pytest.raises(InputError, match="whose files are never changed"):
            make(root, out)
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(InputError, match="whose files are never changed"):
        make(root, tmp_path / "link" / "set")
    make(root, tmp_path / "set")
    assert files(root) == before


def test_the_source_is_never_touched_by_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``..`` and links hide that one folder lies in the other, whichever of them is relative."""
    before = files(write_camvid(tmp_path / "camvid", 1))
    (tmp_path / "link").symlink_to("camvid")
    for here, images in ((tmp_path, "camvid"), (tmp_path, "link"), (tmp_path / "camvid", ".")):
        monkeypatch.chdir(here)
        for out in ("camvid", "camvid/set", "link", "link/set", ""):
            for place in (tmp_path / out, Path(os.path.relpath(tmp_path / out))):
                with pytest.raises(InputError, match="whose files are never changed"):
                    make(Path(images), place)
    assert files(tmp_path / "camvid") == before


def test_labels_elsewhere_are_never_touched(tmp_path: Path) -> None:
    root, labels = write_folder(tmp_path / "street", 1), tmp_path / "labels"
    save(labels / "frame0.png", np.zeros((48, 64), np.uint8))
    found = folder(root, label_space=CAMVID11, labels=labels)
    with pytest.raises(InputError, match=r"expected a folder outside .*labels, whose files"):
        make(root, labels / "set", scenes=found)
    assert list(files(labels)) == ["frame0.png"]
