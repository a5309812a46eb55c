"""The live page: a real server, asked as browsers and strangers ask."""

from __future__ import annotations

import http.client
import io
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

import driftseg
from commands import driftseg as called
from driftseg.api.driving import drive
from driftseg.errors import InputError
from driftseg.live.server import CHANGES, LivePage
from driftseg.saving.shots import Shot

SIZE = (96, 64)


@pytest.fixture
def page() -> Iterator[LivePage]:
    page = LivePage()
    page.begin(
        title="dacs", source="drive.mp4", classes=("road", "sky"),
        colours=((128, 64, 128), (70, 130, 180)), frames=9,
    )  # fmt: skip
    yield page
    if page._thread.is_alive():
        page._asked = -math.inf  # nobody looks any more, so nobody is waited for
        page.end("ended", "")


def shot(index: int, **facts) -> Shot:
    image = np.full((64, 96, 3), (200, 30, 30), np.uint8)
    label = np.zeros((32, 48), np.uint8)
    label[:8] = 1
    known = {
        "frames_per_second": 4.0, "predict_ms": 10.0, "learn_ms": 20.0, "confidence": 0.9,
        "signal": None, "event": None, "trained": True, "learns": ["head"], "skipped": None,
    }  # fmt: skip
    return Shot(index, str(index), image, label, {**known, **facts})


def get(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as got:
            return got.status, got.read(), dict(got.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def state_of(page: LivePage) -> dict:
    return json.loads(get(page.url + "state.json")[1])


def test_the_page_loads_nothing_from_elsewhere(page: LivePage) -> None:
    code, body, headers = get(page.url)
    assert code == 200
    text = body.decode()
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert set(links) == {"data:,"}
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    nonce = re.search(r'<script nonce="(.+?)">', text)[1]
    assert f"script-src 'nonce-{nonce}'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert get(page.url)[1] != body  # another nonce


def test_who_does_not_know_the_address_sees_nothing(page: LivePage) -> None:
    page.show(shot(0))
    root = f"http://127.0.0.1:{page.port}/"
    token = page.url.removeprefix(root).rstrip("/")
    for path in ("", "state.json", "wrong/", "wrong/state.json", token[:-1] + "/", token):
        code, body, _ = get(root + path)
        assert code == 403, path
        assert b"road" not in body
    assert get(page.url + "state.json", Host="evil.example")[0] == 403
    assert get(page.url + "state.json", Host=f"evil.example:{page.port}")[0] == 403
    assert get(page.url + "../../etc/passwd")[0] in (403, 404)
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
    connection.request("POST", "/" + token + "/state.json")
    assert connection.getresponse().status == 501
    connection.close()


def test_it_listens_on_this_machine_only(page: LivePage) -> None:
    assert page._server.server_address[0] == "127.0.0.1"


def test_before_the_first_frame(page: LivePage) -> None:
    told = state_of(page)
    assert (told["state"], told["frame"], told["points"]) == ("running", 0, [])
    assert get(page.url + "image.jpg")[0] == 404


def test_state_and_pictures_are_of_the_last_frame(page: LivePage) -> None:
    for index in range(3):
        page.show(shot(index, confidence=0.5 + index / 10))
    told = state_of(page)
    assert (told["frame"], told["frames"], told["title"], told["learns"]) == (3, 9, "dacs", "head")
    assert not told["signal"]
    assert told["points"] == [[0, 0.5], [1, 0.6], [2, 0.7]]
    assert told["classes"] == [
        {"name": "road", "share": 0.75, "colour": "rgb(128,64,128)"},
        {"name": "sky", "share": 0.25, "colour": "rgb(70,130,180)"},
    ]
    code, data, headers = get(page.url + "image.jpg?frame=3")
    assert (code, headers["Content-Type"]) == (200, "image/jpeg")
    image = np.asarray(PillowImage.open(io.BytesIO(data)))
    assert image.shape == (64, 96, 3)
    assert np.abs(image.astype(int) - (200, 30, 30)).max() < 8
    overlay = np.asarray(PillowImage.open(io.BytesIO(get(page.url + "overlay.jpg")[1])))
    assert np.abs(overlay[60, 48].astype(int) - (164, 47, 79)).max() < 10  # half image, half road


def test_signal_and_changes(page: LivePage) -> None:
    page.show(shot(0, signal=1.5))
    page.show(shot(1, signal=float("nan"), event={"direction": "away"}))
    told = state_of(page)
    assert told["signal"]
    assert told["points"] == [[0, 1.5], [1, None]]
    assert told["changes"] == [{"frame": 1}]
    for index in range(2, 2 + 2 * CHANGES):
        page.show(shot(index, event={"direction": "away"}))
    assert len(state_of(page)["changes"]) == CHANGES


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"trained": False, "learns": []}, "nothing"),
        ({"trained": False, "skipped": "deadline"}, "skipped: deadline"),
        ({"learns": []}, "statistics of batch normalisation only"),
        ({"learns": ["encoder.stage4", "head"]}, "encoder.stage4, head"),
    ],
)
def test_what_learns_in_words(page: LivePage, facts: dict, words: str) -> None:
    page.show(shot(0, **facts))
    assert state_of(page)["learns"] == words


def test_large_frames_are_shrunk(page: LivePage) -> None:
    wide = shot(0)
    page.show(Shot(0, "0", np.zeros((600, 1920, 3), np.uint8), wide.label, wide.facts))
    for name in ("image.jpg", "overlay.jpg"):
        assert PillowImage.open(io.BytesIO(get(page.url + name)[1])).size == (960, 300)


def test_open_pages_learn_of_the_end(page: LivePage) -> None:
    """A page that asks keeps the server until it knows; nobody else does."""
    page.show(shot(0))
    state_of(page)
    found: list[dict] = []
    asking = threading.Thread(target=lambda: (time.sleep(0.3), found.append(state_of(page))))
    asking.start()
    page.end("failed", "the drive has failed: why")
    asking.join()
    assert (found[0]["state"], found[0]["message"]) == ("failed", "the drive has failed: why")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(page.url, timeout=2)


def test_nobody_is_waited_for_where_nobody_looks(page: LivePage) -> None:
    started = time.perf_counter()
    page.end("ended", "")
    assert time.perf_counter() - started < 1.0


def test_a_port_in_use(page: LivePage) -> None:
    with pytest.raises(InputError) as error:
        LivePage(page.port)
    assert str(error.value) == (
        f"--port {page.port}: expected a free port, got an error (Address already in use). To fix: "
        "take another port, or leave out --port"
    )


def test_a_drive_is_shown(tiny_checkpoint: Path, tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.png" for number in range(2)]
    for path in images:
        PillowImage.new("RGB", SIZE, (90, 90, 90)).save(path)
    page, states = LivePage(), []
    drive(
        tmp_path, tiny_checkpoint, learn=False, live=page,
        watch=lambda drove: states.append(state_of(page)),
    )  # fmt: skip
    assert [state["frame"] for state in states] == [1, 2]
    assert states[0]["frames"] == 2
    assert (states[0]["title"], states[0]["learns"]) == ("source_only", "nothing")
    assert page.state()["state"] == "ended"


def test_a_drive_that_fails_ends_the_page(tmp_path: Path) -> None:
    page = LivePage()
    with pytest.raises(InputError):
        drive(tmp_path / "gone.mp4", driftseg.load_model(), live=page)
    assert page.state()["state"] == "failed"
    assert "gone.mp4" in page.state()["message"]
    assert not page._thread.is_alive()


def listens_to_ctrl_c() -> None:
    """Where the tests run in the background, their children would ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_command_and_page(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """A real process, with a connection that stays open.

    What was kept is whole: every label has its line, and every line is whole.
    """
    (tmp_path / "in").mkdir()
    PillowImage.new("RGB", SIZE, (80, 80, 80)).save(tmp_path / "in" / "0.png")
    for number in range(1, 400):
        os.link(tmp_path / "in" / "0.png", tmp_path / "in" / f"{number}.png")
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "driftseg", "adapt", "in", "--checkpoint", str(tiny_checkpoint),
         "--method", "tent", "--out", "out", "--save", "labels", "--live", "--threads", "1"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=listens_to_ctrl_c,
    )  # fmt: skip
    url = re.search(r"http://\S+", running.stdout.readline())[0]
    port = int(url.split(":")[2].split("/")[0])
    try:
        with socket.create_connection(("127.0.0.1", port)):
            while json.loads(get(url + "state.json")[1])["frame"] < 5:
                time.sleep(0.02)
            running.send_signal(signal.SIGINT)
            out, error = running.communicate(timeout=30)
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
        running.stderr.close()
    assert running.returncode == 130, error
    assert "stopped after" in out
    assert "their results are kept" in out
    lines = (tmp_path / "out" / "frames.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    names = {path.stem for path in (tmp_path / "out" / "labels").glob("*.png")}
    assert 3 < len(rows) < 400
    assert names == {row["name"] for row in rows}


def test_port_mistakes_on_the_command_line(page: LivePage, tmp_path: Path) -> None:
    port = str(page.port)
    for arguments, message in (
        (
            ["--live", "--port", port],
            f"error: --port {port}: expected a free port, got an error (Address already in",
        ),
        (
            ["--port", port],
            f"--port {port}: expected --live, which shows the page, got --port alone",
        ),
    ):
        done = called(tmp_path, "adapt", "drive.mp4", *arguments)
        assert message in done.stderr
        assert done.returncode == 2
