"""The README's ten lines, as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import layout_trees
from driftseg.labels import CITYSCAPES19

README = Path(__file__).parents[2] / "README.md"


def test_the_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    code = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line]) <= 11
    monkeypatch.chdir(tmp_path)
    hub_id = re.search(r'load_model\("(.*?)"\)', code)[1]
    config = transformers.SegformerConfig(
        num_labels=19, id2label=dict(enumerate(CITYSCAPES19.classes)), decoder_hidden_size=32
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path / hub_id)
    layout_trees.cityscapes(tmp_path / "cityscapes")
    writer = cv2.VideoWriter(
        str(tmp_path / "drive.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (96, 64)
    )
    for number in range(3):
        writer.write(np.full((64, 96, 3), 60 * number, np.uint8))
    writer.release()
    names: dict = {}
    exec(code.replace('"/data/cityscapes"', repr(str(tmp_path / "cityscapes"))), names)
    assert names["answer"].label.shape == (64, 96)
    assert names["answer"].classes == CITYSCAPES19.classes
    assert names["adapter"].state().updates == 3
    assert (tmp_path / "adapted.safetensors").is_file()
    assert names["plain"].classes == CITYSCAPES19.classes
