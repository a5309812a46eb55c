"""Videos and sequences: every frame is the one that its number says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from driftseg.errors import InputError, UnreadableError
from driftseg.labels import CAMVID11
from driftseg.scenes.dataset import close, select
from driftseg.scenes.sequence import sequence
from driftseg.scenes.video import VideoScenes

FRAMES = 90


def pictures(frames: int = FRAMES) -> list[np.ndarray]:
    """RGB frames that a lossy coder can tell apart."""
    ramp = np.linspace(0, 150, 64)[None, :, None] + np.zeros((48, 1, 3))
    return [np.uint8(np.roll(ramp, 3 * i, axis=1) + i) for i in range(frames)]


def write(path: Path, coding: str, frames: list[np.ndarray]) -> Path:
    fourcc = cv2.VideoWriter.fourcc(*coding)
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25, (width, height))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV writes no {coding}")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.fixture(scope="module")
def lossless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("video") / "drive.avi", "FFV1", pictures())


def video(path: Path, **options: object) -> VideoScenes:
    return VideoScenes(path, label_space=CAMVID11, **options)  # type: ignore[arg-type]


ORDERS = {
    "in order": list(range(FRAMES)),
    "backwards": list(range(FRAMES - 1, -1, -7)),
    "anywhere": [int(i) for i in np.random.default_rng(0).permutation(FRAMES)[:40]],
    "twice": [5, 5, 6, 6, 89, 89, 0],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_lossless_frames_come_back_as_written(lossless: Path, order: list[int]) -> None:
    scenes, written = video(lossless), pictures()
    assert len(scenes) == FRAMES
    for index in order:
        scene = scenes.scene(index)
        assert scene.name == scenes.name(index) == f"{index:06d}"
        assert scene.label is None
        assert np.array_equal(scene.image, written[index]), index


@pytest.mark.parametrize(("coding", "name"), [("mp4v", "a.mp4"), ("MJPG", "a.avi")])
def test_jumps_are_exact_with_key_frames_far_apart(coding: str, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, coding, pictures())
    scenes = video(path)
    in_order = [scenes.scene(i).image for i in range(len(scenes))]
    for index in ORDERS["anywhere"] + ORDERS["backwards"]:
        assert np.array_equal(scenes.scene(index).image, in_order[index]), index


def test_a_jump_that_ends_elsewhere_is_not_believed(lossless: Path) -> None:
    """The container's time is wrong: the file is gone through from its start instead."""
    scenes = video(lossless)
    scenes._times = [time + 1 for time in scenes._times]
    for index in (80, 3, 85):
        assert np.array_equal(scenes.scene(index).image, pictures()[index])
    scenes._distinct = False
    assert np.array_equal(scenes.scene(2).image, pictures()[2])


def test_in_order_nothing_is_opened_or_jumped(
    lossless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = video(lossless, every=3)
    scenes.scene(1)  # the way through it for its length ended elsewhere
    monkeypatch.setattr("driftseg.scenes.video.open_file", lambda path: pytest.fail("opened"))
    monkeypatch.setattr(scenes, "_jump", lambda frame: pytest.fail("jumped"))
    for index in range(2, len(scenes)):
        scenes.scene(index)


def test_a_closed_video_opens_again(lossless: Path) -> None:
    scenes = select(video(lossless), include=["0000[0-3]*"], where="here")
    capture = scenes.dataset._capture
    assert np.array_equal(scenes.scene(20).image, pictures()[20])
    close(scenes)
    assert not capture.isOpened()
    for index in (21, 3, 4):
        assert np.array_equal(scenes.scene(index).image, pictures()[index])
    close(scenes)


def test_range_and_size(lossless: Path) -> None:
    scenes = video(lossless, start=10, stop=41, every=10, size=(32, 24))
    assert [scenes.name(i) for i in range(len(scenes))] == ["000010", "000020", "000030", "000040"]
    assert scenes.scene(1).image.shape == (24, 32, 3)
    with pytest.raises(
        InputError,
        match="expected frames between start=90 and stop=None, got "
        "none; the video has 90 frames up to there",
    ):
        video(lossless, start=90)
    with pytest.raises(
        InputError,
        match="frame 0: expected an image of at least 640x480, the size of the run, got 64x48",
    ):
        video(lossless, size=(640, 480)).scene(0)


def test_a_file_that_was_cut_off_has_the_frames_that_it_has(lossless: Path, tmp_path: Path) -> None:
    """The header of an AVI still promises all of them."""
    whole = lossless.read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: len(whole) // 2])
    scenes = video(path)
    assert 10 < len(scenes) < FRAMES
    for index in range(len(scenes) - 1):
        assert np.array_equal(scenes.scene(index).image, pictures()[index])


def test_no_number_of_frames_in_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "raw.mjpeg", "MJPG", pictures(5))
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) < 5
    scenes = video(path)
    assert len(scenes) == 5
    first = scenes.scene(0).image
    scenes.scene(4)
    assert np.array_equal(scenes.scene(0).image, first)


def test_a_frame_that_cannot_be_decoded_may_be_skipped(lossless: Path) -> None:
    scenes = video(lossless)
    scenes._frames = range(0, 200, 50)  # as if the file had been cut off since
    with pytest.raises(
        UnreadableError, match="frame 100: expected a frame that can be decoded, got a damaged one"
    ):
        scenes.scene(2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.mp4", None, "expected a video file, got a path where there is none"),
        ("notes.mp4", b"this is no video" * 50, "expected a video that OpenCV can open"),
        ("empty.avi", b"", "expected a video that OpenCV can open"),
        ("still.png", b"\x89PNG", "expected a video file, got an image"),
    ],
)
def test_what_is_no_video(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: {message}"):
        video(tmp_path / name)


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a video file, got a folder.*take kind"):
        video(tmp_path)


class TestSequence:
    @pytest.fixture
    def drive(self, tmp_path: Path) -> Path:
        for name in ("a/f_2.png", "a/f_10.png", "a/f_00003.png", "b/f_1.png", "b/f_1.txt"):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            if path.suffix == ".png":
                Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(path)
            else:
                path.write_text("no image")
        return tmp_path

    def names(self, pattern: Path, **options: object) -> list[str]:
        scenes = sequence(str(pattern), label_space=CAMVID11, **options)  # type: ignore[arg-type]
        assert scenes.scene(0).label is None
        return [scenes.name(i) for i in range(len(scenes))]

    def test_wildcards_over_folders(self, drive: Path) -> None:
        assert self.names(drive / "*" / "f_*") == ["a/f_2", "a/f_00003", "a/f_10", "b/f_1"]
        assert self.names(drive / "a" / "*.png", start=1, every=2) == ["f_00003"]
        assert self.names(drive / "**" / "f_1.*") == ["b/f_1"]

    def test_numbers(self, drive: Path) -> None:
        """In order of the number; digits that are asked for must be there."""
        assert self.names(drive / "a" / "f_%d.png") == ["f_2", "f_00003", "f_10"]
        assert self.names(drive / "a" / "f_%02d.png") == ["f_00003", "f_10"]
        assert self.names(drive / "a" / "f_%d.png", stop=1) == ["f_2"]

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ("a/g_*.png", "expected a pattern that matches image files, got no match"),
            ("c/f_%d.png", "expected a folder, got a path where there is none"),
            ("%d/f_%d.png", "expected one number, in the name of the file, got another pattern"),
            ("a/*.png", "expected images between start=9 and stop=None, got none of 3"),
        ],
    )
    def test_nothing_found(self, pattern: str, message: str, drive: Path) -> None:
        with pytest.raises(InputError, match=message):
            sequence(str(drive / pattern), label_space=CAMVID11, start=9)
