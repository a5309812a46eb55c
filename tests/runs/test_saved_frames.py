"""What a run keeps of its frames."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from driftseg.saving.saver import Saver


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_saved_labels_are_the_scored_predictions(tiny_run: dict) -> None:
    """Kept labels agree with the record's scores; saving changes no number of the run."""
    config = check(tiny_run, RunConfig, where="test")
    plain = read_run(run(config))
    folder = run(config, save=["labels", "overlays", "probabilities"])
    kept = read_run(folder)
    lines = [json.loads(line) for line in (folder / "saved/frames.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == [row["index"] for row in kept.frames]
    for before, row, line in zip(plain.frames, kept.frames, lines, strict=True):
        assert before["intersection"] == row["intersection"]
        assert line["name"] == f"{row['visit']:02d}-{row['domain']}/{row['name']}"
        label = opened(folder / "saved/labels" / f"{line['name']}.png")
        assert label.shape == opened(folder / "saved/overlays" / f"{line['name']}.jpg").shape[:2]
        answered = np.load(folder / "saved/probabilities" / f"{line['name']}.npy")
        assert answered.dtype == np.float16
        np.testing.assert_allclose(answered.sum(axis=0, dtype=np.float32), 1.0, atol=0.01)
        counts = np.bincount(label.ravel(), minlength=len(kept.classes))
        shares = {
            name: count / label.size for name, count in zip(kept.classes, counts, strict=True)
        }
        for name, share in line["class_shares"].items():
            assert share == pytest.approx(shares[name], abs=1e-4)


def test_saved_labels_score_as_the_record_says(tiny_run: dict) -> None:
    """The saved files, scored against the held labels again, give the record's counts."""
    from driftseg.runs.build import build

    config = check(tiny_run, RunConfig, where="test")
    folder = run(config, save=["labels"])
    rows = read_run(folder).frames
    parts = build(config)
    for frame, row in zip(parts.stream, rows, strict=True):
        if frame.label is None:
            continue
        name = f"{frame.visit:02d}-{frame.domain}/{frame.name}.png"
        score = Score(len(parts.label_space))
        score.add(opened(folder / "saved/labels" / name), frame.label)
        assert score.intersection.tolist() == row["intersection"]
    parts.data.close()


def test_an_unknown_kind_is_refused_before_anything_is_built(tiny_run: dict) -> None:
    """The message names what there is, and no folder is made."""
    config = check(tiny_run, RunConfig, where="test")
    with pytest.raises(
        InputError,
        match="save: expected some of labels, overlays, video, probabilities, got 'masks'",
    ):
        run(config, save=["masks"])
    assert not Path(tiny_run["out"]).exists()


def test_a_run_that_cannot_save_ends_and_keeps_its_record(
    tiny_run: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends the run: told, and what was recorded stays."""

    def full(self: Saver, kind: str, name: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Saver, "_file", full)
    with pytest.raises(
        InputError,
        match="expected a place with room for the results, got an "
        r"error \(No space left on device\); kept: nothing",
    ):
        run(check(tiny_run, RunConfig, where="test"), save=["labels"])
    (folder,) = Path(tiny_run["out"]).iterdir()
    assert read_run(folder).state == "interrupted"


def test_no_writer_outlives_a_run_that_fails(tiny_run: dict) -> None:
    """Whatever ends a run, the thread that writes its files ends, too."""

    def stop(moment: object) -> None:
        raise RuntimeError("the watcher has had enough")

    with pytest.raises(RuntimeError, match="had enough"):
        run(check(tiny_run, RunConfig, where="test"), stop, save=["labels"])
    assert not [each for each in threading.enumerate() if each.name == "driftseg-saver"]
