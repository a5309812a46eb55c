"""A model whose classes stand in another order than a dataset's, through the Python API."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import driftseg
from driftseg import InputError
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.labels import CAMVID11
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from layout_trees import TREES

transformers = pytest.importorskip("transformers")
BACKWARDS = tuple(reversed(CAMVID11.classes))


def saved(names: tuple[str, ...], folder: Path, says: str = "road") -> Path:
    """A SegFormer that answers one class everywhere, as transformers saves it."""
    config = transformers.SegformerConfig(
        num_labels=len(names), decoder_hidden_size=16, hidden_sizes=[32, 64, 160, 256],
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.SegformerForSemanticSegmentation(config)
    with torch.no_grad():
        model.decode_head.classifier.weight.zero_()
        model.decode_head.classifier.bias.zero_()
        model.decode_head.classifier.bias[names.index(says)] = 5.0
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    TREES["camvid"](tmp_path / "camvid")
    return tmp_path / "camvid"


def test_a_run_scores_the_right_class(camvid: Path, tmp_path: Path, tiny_run: dict) -> None:
    """id2label in another order: road stays road; pixels of road are the only ones that are hit."""
    data = {"kind": "camvid", "root": str(camvid), "split": "train", "size": None}
    values = {
        **tiny_run, "checkpoint": str(saved(BACKWARDS, tmp_path / "hf")), "target": data,
        "source": None, "evaluation": data, "schedule": [{"name": "clear"}],
        "method": {"name": "source_only"},
    }  # fmt: skip
    found = read_run(run(check(values, RunConfig, where="test")))
    road = CAMVID11.classes.index("road")
    for row in found.frames:
        assert [i for i, n in enumerate(row["intersection"]) if n] == [road]
    assert any("stand in another order" in note for note in found.environment["notes"])


def test_a_source_of_the_same_classes_is_told_in_the_models_order(
    camvid: Path, tmp_path: Path
) -> None:
    """The same network in either order has the same losses: the labels followed its classes."""
    source = driftseg.load_dataset("camvid", camvid, size=None)
    losses = []
    for names in (BACKWARDS, CAMVID11.classes):
        model = driftseg.load_model(saved(names, tmp_path / names[0]))
        assert model.classes == names
        adapter = driftseg.adapt(model, "replay_only", source=source, seed=0, guard="off")
        answer = adapter.predict(np.zeros((64, 96, 3), np.uint8))
        assert {model.classes[i] for i in np.unique(answer.label)} == {"road"}
        losses.append(adapter.learn().losses["source"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0] > 1  # road is not all there is


def test_other_classes_are_refused(camvid: Path, tmp_path: Path) -> None:
    names = (*BACKWARDS[:10], "dog")
    model = driftseg.load_model(saved(names, tmp_path / "hf"))
    source = driftseg.load_dataset("camvid", camvid, size=None)
    for given in ({"source": source}, {"source": source, "calibration": source}):
        with pytest.raises(
            InputError,
            match="expected labels in the classes of the model, own classes "
            r"\(bicyclist, pedestrian, car, fence, sign, tree,",
        ):
            driftseg.adapt(model, "hamlet", **given)
