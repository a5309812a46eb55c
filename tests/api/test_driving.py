"""Whole drives through the API and the command line.

`tests/live/test_live_page.py` ends a drive in a process of its own by Ctrl-C.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

import driftseg
from commands import driftseg as called
from driftseg.api.drive_frames import fitting
from driftseg.api.driving import drive

SIZE = (96, 64)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "drive.avi"
    town = driftseg.load_dataset("town", seed=2, frames=6, every=9, size=SIZE)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, SIZE)
    for number in range(6):
        writer.write(town.scene(number).image[..., ::-1])
    writer.release()
    return path


def test_a_drive_keeps_what_it_is_asked_to(video: Path, tiny_checkpoint: Path, tmp_path: Path):
    seen = []
    done = drive(
        video, tiny_checkpoint, method="tent", out=tmp_path / "out", save=["labels"], every=2,
        watch=seen.append,
    )  # fmt: skip
    assert (done.frame, done.frames, done.size, done.method) == (3, 3, SIZE, "tent")
    assert done.saved == {"labels": 3, "lines": 3}
    assert [state.frame for state in seen] == [1, 2, 3]
    names = sorted(path.name for path in (tmp_path / "out" / "labels").iterdir())
    assert names == ["000000.png", "000002.png", "000004.png"]
    lines = [
        json.loads(line) for line in (tmp_path / "out" / "frames.jsonl").read_text().splitlines()
    ]
    assert all(line["trained"] and line["predict_ms"] > 0 for line in lines)


def test_predicting_learns_nothing(video: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    done = drive(video, tiny_checkpoint, learn=False, out=tmp_path / "out", save=["labels"])
    assert done.method == "source_only"
    model = driftseg.adapt(driftseg.load_model(tiny_checkpoint), "source_only")
    image = next(driftseg.frames(video))
    with PillowImage.open(tmp_path / "out" / "labels" / "000000.png") as kept:
        assert np.array_equal(np.asarray(kept), model.predict(image).label)


def test_a_folder_keeps_its_names_and_sizes(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in (9, 10):
        PillowImage.new("RGB", (130, 100), (number, 9, 9)).save(tmp_path / "in" / f"{number}.png")
    drive(tmp_path / "in", tiny_checkpoint, out=tmp_path / "out", save=["labels"])
    for name in ("9.png", "10.png"):
        with PillowImage.open(tmp_path / "out" / "labels" / name) as kept:
            assert kept.size == (130, 100)
    told = json.loads((tmp_path / "out" / "drive.json").read_text())
    assert (told["method"], told["size"]) == ("alpha_bn", [128, 96])


def test_sizes_keep_up() -> None:
    assert fitting(1920, 1080) == (1024, 576)
    assert fitting(960, 540) == (960, 512)
    assert fitting(40, 33) == (32, 32)


def test_the_command(video: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    done = called(tmp_path, "adapt", video, "--checkpoint", tiny_checkpoint, "--out", "out",
                  "--save", "labels,overlays", "--threads", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no --source is given, so the method is alpha_bn, which needs no labels" in done.stdout
    assert "frames/s with alpha_bn" in done.stdout
    assert "written to out: 6 labels, 6 overlays, 6 lines" in done.stdout
    predicted = called(tmp_path, "predict", str(video), "--checkpoint", str(tiny_checkpoint))
    assert "6 frames" in predicted.stdout
    assert "source_only" in predicted.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.mp4"], "error: gone.mp4: expected a video file, got a path where there is none"),
        (["VIDEO", "--save", "labels"], "error: save: expected a folder for the results, got none"),
        (
            ["VIDEO", "--out", "here", "--save", "masks"],
            "error: save: expected some of labels, overlays, video, probabilities, got 'masks'",
        ),
        (["VIDEO", "--size", "big"], "error: --size: expected WIDTHxHEIGHT in pixels, got 'big'"),
        (
            ["VIDEO", "--size", "640x480"],
            "error: 000000: expected a frame of at least 640x480, got 96x64",
        ),
        (["VIDEO", "--method", "dacs"], "give source="),
        (["VIDEO", "--source", "town"], "error: --source: expected KIND=FOLDER, got 'town'"),
        (
            ["VIDEO", "--method", "tent", "--set", "learning_rat=1"],
            "error: adapt: expected a known key, got 'method.learning_rat'",
        ),
        (["VIDEO", "--checkpoint", "gone.pth"], "gone.pth"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(
    arguments: list[str], message: str, video: Path, tmp_path: Path
) -> None:
    done = called(tmp_path, "adapt", *(str(video) if a == "VIDEO" else a for a in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_change_is_told_once(tmp_path: Path) -> None:
    """In the line of the frame that found it, not in all lines after it."""
    town = driftseg.load_dataset("town", seed=1, frames=6, every=13, size=(128, 96))
    (tmp_path / "in").mkdir()
    for number in range(10):
        image = town.scene(number % 6).image
        dark = image if number < 5 else image // 5
        PillowImage.fromarray(dark).save(tmp_path / "in" / f"{number}.png")
    method = {"name": "hamlet", "compat": "published", "detector": {"window": 2}}
    drive(tmp_path / "in", driftseg.load_model(), method=method, labelled=town,
          out=tmp_path / "out")  # fmt: skip
    text = (tmp_path / "out" / "frames.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    found = [line["frame"] for line in lines if line["event"]]
    assert found == [6]  # its window of two frames is dark for the first time
    assert lines[6]["event"]["direction"] == "away"


def test_the_adapted_model_is_kept(video: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Loaded again, it answers as the model that learnt would answer next."""
    out = tmp_path / "out"
    done = drive(
        video, tiny_checkpoint, method="tent", out=out, keep_model=True, learning_rate=1e-3
    )
    assert done.saved == {"lines": 6, "model": 1}
    kept = driftseg.load_model(out / "checkpoints" / "last.safetensors")
    assert kept.classes == driftseg.load_model(tiny_checkpoint).classes
    learnt = driftseg.adapt(driftseg.load_model(tiny_checkpoint), "tent", learning_rate=1e-3)
    for image in driftseg.frames(video):
        learnt.predict(image)
        learnt.learn()
    answers = [
        driftseg.adapt(each, "source_only").predict(image).probabilities()
        for each in (kept, learnt.merge(), driftseg.load_model(tiny_checkpoint))
    ]
    assert np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_a_model_is_kept_only_where_it_learns(video: Path, tmp_path: Path) -> None:
    with pytest.raises(
        driftseg.InputError,
        match="keep_model: expected a method that learns, got predictions without learning",
    ):
        drive(video, driftseg.load_model(), learn=False, out=tmp_path / "out", keep_model=True)
    with pytest.raises(
        driftseg.InputError,
        match="keep_model: expected a folder for the "
        r"results, got none.*name a new folder by out",
    ):
        drive(video, driftseg.load_model(), keep_model=True)
    assert not (tmp_path / "out").exists()
