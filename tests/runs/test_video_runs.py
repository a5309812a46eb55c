"""Runs on sources without labels: what a config says is what comes."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.record import read_run
from driftseg.runs.resuming import resume
from driftseg.runs.run import run
from driftseg.scenes.capture import open_file
from driftseg.scenes.live import LiveScenes

SIZE = (96, 64)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A video of eight frames, and the same as numbered images."""
    writer = cv2.VideoWriter(
        str(tmp_path / "drive.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, SIZE
    )
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MJPG")
    for i in range(8):
        frame = np.full((SIZE[1], SIZE[0], 3), 30 * i, np.uint8)
        writer.write(frame)
        Image.fromarray(frame).save(tmp_path / f"frame_{i:05d}.png")
    writer.release()
    return tmp_path


def unlabelled(tiny_run: dict, target: dict, **changes: object) -> RunConfig:
    """A run by tent on a target, in rain, without held-out frames."""
    visits = [{"name": "dry", "frames": 2}, {"name": "wet", "rain": 50, "frames": 2}]
    values = {
        **tiny_run, "target": target, "method": {"name": "tent"}, "source": None,
        "evaluation": None, "schedule": visits, **changes,
    }  # fmt: skip
    return check(values, RunConfig, where="config")


class Camera:
    """Grey frames, without end or until they are of another size."""

    def __init__(self, spoilt_from: int | None = None) -> None:
        self.given, self.spoilt_from, self.released = 0, spoilt_from, False

    def read(self) -> tuple[bool, np.ndarray]:
        self.given += 1
        time.sleep(0.005)
        if self.given == self.spoilt_from:
            raise KeyboardInterrupt
        return True, np.full((SIZE[1], SIZE[0], 3), 20 * self.given % 256, np.uint8)

    def release(self) -> None:
        self.released = True


def test_a_video(tiny_run: dict, drive: Path) -> None:
    target = {"kind": "video", "path": str(drive / "drive.avi"), "every": 2, "size": [64, 32]}
    found = read_run(run(unlabelled(tiny_run, target), lambda moment: None))
    assert [frame["name"] for frame in found.frames] == ["000000", "000002", "000004", "000006"]
    assert not any(frame["labelled"] for frame in found.frames)


def test_numbered_images(tiny_run: dict, drive: Path) -> None:
    target = {"kind": "images", "pattern": str(drive / "frame_%05d.png"), "start": 4}
    found = read_run(run(unlabelled(tiny_run, target), lambda moment: None))
    assert [frame["name"] for frame in found.frames] == [f"frame_{i:05d}" for i in range(4, 8)]


def test_images_of_several_sizes(drive: Path) -> None:
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(drive / "frame_00008.png")
    values = {"kind": "images", "pattern": str(drive / "frame_*.png")}
    mixed = check({"target": values, "name": "x", "method": {"name": "tent"}}, RunConfig, where="")
    with pytest.raises(
        InputError,
        match=r"expected 96x64 as frame_00000\.png, got 48x32.*set "
        "size",
    ):
        mixed.target.make()


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is opened in place of a camera."""
    opened: list[object] = []

    def open_live(source: object, *, patience: float) -> Camera:
        opened.append(source)
        return Camera()

    monkeypatch.setattr("driftseg.scenes.live.open_live", open_live)
    return opened


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Camera]:
    """Every camera that is opened, in order; what they do is set by ``spoilt``."""
    made: list[Camera] = []

    def open_live(source: object, *, patience: float) -> Camera:
        made.append(Camera(spoilt_from=3 if source == 9 else None))
        return made[-1]

    monkeypatch.setattr("driftseg.scenes.live.open_live", open_live)
    return made


class TestACameraIsGivenBack:
    """Waiting for the garbage collector may take as long as the program runs."""

    def target(self, device: int = 0, **changes: object) -> dict:
        return {"kind": "camera", "device": device, "frames": 4, "newest": False, **changes}

    def test_after_a_run(self, tiny_run: dict, captures: list[Camera]) -> None:
        run(unlabelled(tiny_run, self.target()))
        assert [capture.released for capture in captures] == [True]

    def test_when_the_run_is_stopped(self, tiny_run: dict, captures: list[Camera]) -> None:
        with pytest.raises(KeyboardInterrupt):
            run(unlabelled(tiny_run, self.target(device=9)))
        assert [capture.released for capture in captures] == [True]
        (folder,) = Path(tiny_run["out"]).glob("*")
        assert read_run(folder).part == "interrupted, 2 of 4 frames"

    def test_when_somebody_watching_fails(self, tiny_run: dict, captures: list[Camera]) -> None:
        def watch(moment: object) -> None:
            raise ValueError("no screen")

        with pytest.raises(ValueError, match="no screen"):
            run(unlabelled(tiny_run, self.target()), watch)
        assert [capture.released for capture in captures] == [True]

    def test_when_the_run_cannot_be_built(self, tiny_run: dict, captures: list[Camera]) -> None:
        config = unlabelled(tiny_run, self.target(frames=3))
        with pytest.raises(
            InputError,
            match="expected a schedule that never goes back, "
            "because a live source cannot, got one that "
            r"does; the source holds 3.*frames",
        ) as caught:
            run(config)
        assert caught.value is not None  # its traceback holds the dataset
        assert [capture.released for capture in captures] == [True]


def test_a_video_file_is_closed_after_a_run(
    tiny_run: dict, drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr(
        "driftseg.scenes.video.open_file", lambda path: opened.append(open_file(path)) or opened[-1]
    )
    target = {"kind": "video", "path": str(drive / "drive.avi")}
    run(unlabelled(tiny_run, target))
    assert opened
    assert not any(capture.isOpened() for capture in opened)


def test_a_camera(tiny_run: dict, camera: list[object]) -> None:
    target = {"kind": "camera", "device": 0, "frames": 4, "newest": False}
    found = read_run(run(unlabelled(tiny_run, target), lambda moment: None))
    assert len(found.frames) == 4
    assert camera == [0]


def test_a_camera_goes_on_with_what_comes_now(tiny_run: dict, captures: list[Camera]) -> None:
    """It has no position of its own; the record says so."""
    target = {"kind": "camera", "device": 9, "frames": 4, "newest": False}
    with pytest.raises(KeyboardInterrupt):
        run(unlabelled(tiny_run, target), lambda moment: None)
    (folder,) = Path(tiny_run["out"]).glob("*")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("device: 9", "device: 0"))
    told: list[str] = []
    found = read_run(resume(folder, tell=told.append))
    assert (len(found.frames), found.part) == (4, None)
    note = found.environment["notes"][-1]
    assert note.startswith("the camera has gone on meanwhile: frames after the first ")
    assert note in told


def test_passwords_come_from_the_environment(
    tiny_run: dict, camera: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "secret")
    target = {"kind": "camera", "url": "rtsp://me:$CAMERA_PASSWORD@host/x", "frames": 4}
    config = unlabelled(tiny_run, target)
    dataset = config.target.make()
    assert camera == ["rtsp://me:secret@host/x"]
    assert "secret" not in config.model_dump_json()
    assert isinstance(dataset, LiveScenes)
    dataset.close()


def test_a_schedule_that_goes_back(tiny_run: dict, camera: list[object]) -> None:
    target = {"kind": "camera", "device": 0, "frames": 3}
    with pytest.raises(
        InputError,
        match="expected a schedule that never goes back, because a "
        "live source cannot, got one that does; the source "
        r"holds 3.*frames",
    ):
        run(unlabelled(tiny_run, target), lambda moment: None)
    target["frames"] = 20
    once = [{"name": "dry", "frames": 20}]
    for changes in ({"order": "shuffled"}, {"schedule": [{**once[0], "passes": 2}]}):
        with pytest.raises(
            InputError,
            match="expected a schedule that never goes back, "
            "because a live source cannot, got one that "
            r"does; the source holds 20 frames",
        ):
            run(unlabelled(tiny_run, target, **{"schedule": once, **changes}), lambda moment: None)
    assert not list(Path(tiny_run["out"]).glob("*"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            {"kind": "camera", "frames": 2},
            r"config: target\.url: expected either device \(a "
            r"camera's number\) or url \(a stream\)",
        ),
        (
            {"kind": "camera", "frames": 2, "device": 0, "url": "rtsp://x"},
            r"config: target\.url: expected either device \(a camera's number\) or url \(a "
            r"stream\)",
        ),
        (
            {"kind": "camera", "frames": 2, "url": "drive.mp4"},
            r"config: target\.url: url: "
            r"expected rtsp://\.\.\. or "
            r"http://\.\.\., got another "
            r"address.*kind: video for a file",
        ),
        ({"kind": "camera", "device": 0}, r"config: target\.frames: expected a value, got none"),
        (
            {"kind": "video", "path": "x.mp4", "evry": 2},
            "config: expected a known key, got "
            r"'target\.evry'.*did you mean "
            r"'target\.every",
        ),
        ({"kind": "video", "path": "x.mp4", "every": 0}, "target.every"),
        (
            {"kind": "video", "path": "x.mp4", "label_space": "mars"},
            "label_space: expected a known label space, got 'mars'",
        ),
    ],
)
def test_mistakes(target: dict, message: str, tiny_run: dict) -> None:
    with pytest.raises(InputError, match=message):
        unlabelled(tiny_run, target).target.make()
