"""Live sources: against a capture that the tests make up, a real file and a real stream."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.scenes.addresses import masked
from driftseg.scenes.capture import open_file, open_live
from driftseg.scenes.live import LiveScenes, NewestFrame


class FakeCapture:
    """Gives frames of one grey each, by number; then it is lost."""

    def __init__(self, numbers: list[int], *, pause: float = 0.0):
        self.numbers = list(numbers)
        self.pause = pause
        self.released = False

    def read(self) -> tuple[bool, np.ndarray | None]:
        assert not self.released
        time.sleep(self.pause)
        if not self.numbers:
            return False, None
        return True, np.full((8, 10, 3), self.numbers.pop(0), np.uint8)

    def release(self) -> None:
        self.released = True


def live(connect: Callable[[], object], **options: object) -> LiveScenes:
    chosen = {"frames": 5, "newest": False, "reconnections": 0, "pause": 0.0, "patience": 5.0}
    return LiveScenes(connect, where="camera 0", label_space=CAMVID11, **{**chosen, **options})  # type: ignore[arg-type]


def grey(scenes: LiveScenes, index: int) -> int:
    return int(scenes.scene(index).image[0, 0, 0])


def test_each_new_position_takes_a_frame() -> None:
    scenes = live(lambda: FakeCapture([7, 8, 9]), size=(5, 4))
    assert len(scenes) == 5
    assert (grey(scenes, 0), grey(scenes, 0), grey(scenes, 1), grey(scenes, 4)) == (7, 7, 8, 9)
    assert scenes.scene(4).name == scenes.name(4) == "000004"
    assert scenes.scene(4).image.shape == (4, 5, 3)
    assert scenes.scene(4).label is None
    with pytest.raises(
        InputError,
        match="camera 0: expected a frame after 4, because a live "
        "source cannot go back, got a request for frame 2",
    ):
        scenes.scene(2)


def test_colours_are_rgb_and_grey_cameras_are_taken() -> None:
    class Odd(FakeCapture):
        def read(self) -> tuple[bool, np.ndarray | None]:
            if self.numbers.pop() == 1:
                return True, np.uint8([[[10, 20, 30]]])
            return True, np.uint8([[50]])

    scenes = live(lambda: Odd([2, 1]))
    assert scenes.scene(0).image.tolist() == [[[30, 20, 10]]]
    assert scenes.scene(1).image.tolist() == [[[50, 50, 50]]]


def test_newest_drops_what_came_in_between() -> None:
    capture = FakeCapture(list(range(200)), pause=0.005)
    scenes = live(lambda: capture, newest=True)
    first = grey(scenes, 0)
    time.sleep(0.3)
    second = grey(scenes, 1)
    assert second >= first + 10
    scenes.close()
    assert capture.released


def test_newest_gives_the_last_frame_before_the_end() -> None:
    newest = NewestFrame(FakeCapture([1, 2, 3]), patience=5)
    time.sleep(0.1)
    last = newest.take()
    assert last is not None
    assert last[0, 0, 0] == 3
    assert newest.take() is None


def test_a_source_that_hangs_is_not_waited_for_forever() -> None:
    scenes = live(lambda: FakeCapture([1], pause=0.5), newest=True, patience=0.1)
    with pytest.raises(
        InputError,
        match="camera 0: expected the next frame, got none after 0 "
        r"frames.*check the source",
    ):
        scenes.scene(0)


@pytest.mark.parametrize("newest", [False, True])
def test_connects_again(newest: bool) -> None:
    sources = [
        FakeCapture([1]),
        FakeCapture([]),
        FakeCapture([2]),
        FakeCapture([]),
        FakeCapture([3]),
    ]
    waiting = iter(sources)
    scenes = live(lambda: next(waiting), reconnections=2, newest=newest)
    assert [grey(scenes, i) for i in range(3)] == [1, 2, 3]  # a frame resets the attempts
    assert all(source.released for source in sources[:4])


def test_lost_for_good() -> None:
    sources: Iterator[FakeCapture] = iter([FakeCapture([1])])

    def connect() -> FakeCapture:
        for source in sources:
            return source
        raise InputError("camera 0: cannot be opened")

    scenes = live(connect, reconnections=2)
    scenes.scene(0)
    with pytest.raises(
        InputError,
        match="expected the next frame, got none after 1 frames, with 2 "
        r"reconnections without success \(camera 0: cannot be",
    ):
        scenes.scene(1)


def test_an_error_of_opencv_is_a_lost_frame() -> None:
    class Broken(FakeCapture):
        def read(self) -> tuple[bool, np.ndarray | None]:
            raise cv2.error("device unplugged")

    with pytest.raises(
        InputError, match="camera 0: expected the next frame, got none after 0 frames"
    ):
        live(lambda: Broken([])).scene(0)


def test_schedules_that_go_back_are_refused() -> None:
    scenes = live(lambda: FakeCapture([]))
    scenes.check_order([0, 1, 2, 4])
    for order in ([0, 1, 0], [0, 0], [1, 0]):
        with pytest.raises(
            InputError,
            match="expected a schedule that never goes back, "
            "because a live source cannot, got one that "
            r"does; the source holds 5.*keep order: "
            "sequential and passes: 1, give every visit its",
        ):
            scenes.check_order(order)


def test_a_real_file_as_a_live_source(tmp_path) -> None:
    path = tmp_path / "drive.avi"
    coding = cv2.VideoWriter.fourcc(*"FFV1")  # lossless
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, coding, 25, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no FFV1")
    for i in range(6):
        writer.write(np.full((48, 64, 3), 9 * i, np.uint8))
    writer.release()
    scenes = live(lambda: open_file(path), frames=9)
    assert [grey(scenes, i) for i in range(6)] == [0, 9, 18, 27, 36, 45]
    with pytest.raises(
        InputError, match="camera 0: expected the next frame, got none after 6 frames"
    ):
        scenes.scene(6)


def test_no_such_camera_or_stream() -> None:
    with pytest.raises(
        InputError,
        match="camera 97: expected a camera that can be opened, "
        r"got none.*check that it is plugged",
    ):
        open_live(97, patience=1)
    with pytest.raises(
        InputError,
        match=r"http://\*\*\*@127\.0\.0\.1:9/x: expected a stream "
        "that can be opened, got none in 1 s",
    ):
        open_live("http://me:secret@127.0.0.1:9/x", patience=1)


def test_opencv_itself_says_nothing(tmp_path) -> None:
    """In a process of its own: FFmpeg is told how much to say when it is first used."""
    (tmp_path / "notes.mp4").write_text("this is no video")
    code = f"""
from pathlib import Path
from driftseg.scenes.capture import open_file, open_live
video = Path({str(tmp_path)!r}, "notes.mp4")
for source in (97, "http://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x", video):
    try:
        open_file(source) if isinstance(source, Path) else open_live(source, patience=1)
    except ValueError as error:
        print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == 4 * ["InputError"]
    assert done.stderr == ""


def test_passwords_are_not_shown() -> None:
    assert masked("rtsp://me:p@ss@host:5/a@b") == "rtsp://***@host:5/a@b"
    assert masked("rtsp://host/a@b") == "rtsp://host/a@b"


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """What an IP camera sends: JPEGs, one after another, without end."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for number in range(self.server.frames):  # type: ignore[attr-defined]
                grey = np.full((48, 64, 3), 2 * number % 256, np.uint8)
                jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(f"Content-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n")
                time.sleep(0.01)
        except OSError:
            pass  # the reader has left

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, http.server.HTTPServer]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("http_proxy", raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), MotionJpeg)
    server.daemon_threads = True
    server.frames = 120  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", server
    server.shutdown()
    server.server_close()


def test_a_real_stream(stream: tuple[str, http.server.HTTPServer]) -> None:
    address, _ = stream
    try:
        scenes = live(lambda: open_live(address, patience=5), newest=True, reconnections=3)
    except InputError:
        pytest.skip("this OpenCV opens no http streams")
    first = grey(scenes, 0)
    time.sleep(0.4)
    assert grey(scenes, 1) >= first + 20
    assert scenes.scene(1).image.shape == (48, 64, 3)
    scenes.close()


def test_a_real_stream_that_ends_is_connected_again(
    stream: tuple[str, http.server.HTTPServer],
) -> None:
    address, server = stream
    server.frames = 40  # type: ignore[attr-defined]
    try:
        scenes = live(
            lambda: open_live(address, patience=5), frames=60, reconnections=3, newest=False
        )
    except InputError:
        pytest.skip("this OpenCV opens no http streams")
    seen = [grey(scenes, i) for i in range(60)]
    assert seen[40] < seen[39]  # begun anew
    scenes.close()
