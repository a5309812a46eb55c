"""Addresses of streams: what is put in arrives as it was, and no secret is shown or stored."""

from __future__ import annotations

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import driftseg
from commands import driftseg as called
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.run import run
from driftseg.scenes.addresses import filled, masked, masked_text
from driftseg.scenes.capture import open_file
from driftseg.scenes.live import LiveSettings

ODD = "p/a#s?s@w:o%r d&x=+$1"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1))
def test_a_password_arrives_as_it_was(password: str) -> None:
    parts = urlsplit(filled("rtsp://viewer:$CAMPW@10.0.0.7:554/s?x=1", {"CAMPW": password}))
    assert (parts.username, unquote(parts.password)) == ("viewer", password)
    assert (parts.hostname, parts.port, parts.path, parts.query) == ("10.0.0.7", 554, "/s", "x=1")


@pytest.mark.parametrize(
    ("address", "values", "wanted"),
    [
        ("rtsp://$U:${P}@h/s", {"U": "a@b", "P": "c/d"}, "rtsp://a%40b:c%2Fd@h/s"),
        ("rtsp://$BOTH@h/s", {"BOTH": "me:p/w"}, "rtsp://me:p%2Fw@h/s"),
        ("rtsp://$HOST/s", {"HOST": "10.0.0.7:554"}, "rtsp://10.0.0.7:554/s"),
        ("rtsp://$ALL/s", {"ALL": "me:p@/w@10.0.0.7:554"}, "rtsp://me:p%40%2Fw@10.0.0.7:554/s"),
        ("rtsp://u:$P@$HOST:554/s", {"P": "#", "HOST": "[fe80::1]"}, "rtsp://u:%23@[fe80::1]:554/s"),
        ("rtsp://h/$PATH_", {"PATH_": "live/ch 0"}, "rtsp://h/live/ch%200"),
        ("rtsp://h/user=a_password=$P", {"P": "x/y&z"}, "rtsp://h/user=a_password=x%2Fy%26z"),
        ("http://h/v?pwd=$P&x=1", {"P": "x/y&z"}, "http://h/v?pwd=x%2Fy%26z&x=1"),
        ("http://h/v?$QUERY", {"QUERY": "a=1&b=2"}, "http://h/v?a=1&b=2"),
    ],
)  # fmt: skip
def test_what_is_put_where(address: str, values: dict[str, str], wanted: str) -> None:
    assert filled(address, values) == wanted


@pytest.mark.parametrize(("values", "state"), [({}, "not set"), ({"CAMPW": ""}, "empty")])
def test_a_variable_that_is_not_set(values: dict[str, str], state: str) -> None:
    with pytest.raises(InputError) as caught:
        filled("rtsp://viewer:$CAMPW@host/s", values)
    assert str(caught.value) == (
        f"rtsp://***@host/s: expected the environment variable CAMPW, which is {state}. To fix: "
        "set it, as in export CAMPW=... (write %24 for a dollar sign of the address itself)"
    )


SHOWN = [
    ("rtsp://me:secret@host:554/a", "rtsp://***@host:554/a"),
    ("rtsp://me:se/cr#e?t@host/a", "rtsp://***@host/a"),
    ("rtsp://me:se@cr/et@host/a", "rtsp://***@host/a"),
    ("rtsp://me:12/secret@host/a", "rtsp://***@host/a"),
    ("rtsp://host/a@b", "rtsp://host/a@b"),
    ("http://10.0.0.7:80/v?user=me@x.org&pwd=secret", "http://10.0.0.7:80/v?user=me@x.org&pwd=***"),
    ("http://host/v?user=me&password=secret&x=1", "http://host/v?user=me&password=***&x=1"),
    ("http://host/v?usr=me&PWD=sec/ret?x#y", "http://host/v?usr=me&PWD=***"),
    ("http://host/v?loginuse=me&loginpas=secret", "http://host/v?loginuse=me&loginpas=***"),
    ("http://host/v?api_key=secret&access_token=secret", "http://host/v?api_key=***&access_token=***"),
    ("https://host/v?X-Amz-Signature=secret&side=left", "https://host/v?X-Amz-Signature=***&side=left"),
    ("https://host/v?sv=1&sig=secret", "https://host/v?sv=1&sig=***"),
    ("rtsp://host:554/user=me_password=secret_channel=1_stream=0.sdp?real_stream",
     "rtsp://host:554/user=me_password=***_channel=1_stream=0.sdp?real_stream"),
    ("rtsp://host:554/user=me&password=sec_ret&channel=1", "rtsp://host:554/user=me&password=***&channel=1"),
    ("rtsp://host/user=me_password=se/cret?_channel=1", "rtsp://host/user=me_password=***?_channel=1"),
    ("rtsps://host:7441/BZk3xyzABC12def?enableSrtp", "rtsps://host:7441/***?enableSrtp"),
    ("http://host/eyJhbGciOi.eyJzdWIi.sEcReT/live", "http://host/***/live"),
    ("http://host:1984/s?src=rtsp://me:secret@cam/1", "http://host:1984/s?src=rtsp://***@cam/1"),
    ("http://host/s?src=rtsp%3A%2F%2Fme%3Asecret%40cam%2F1", "http://host/s?src=rtsp%3A%2F%2F***@cam%2F1"),
    ("rtsp://[fe80::1]:554/h264Preview_01_main", "rtsp://[fe80::1]:554/h264Preview_01_main"),
    ("drive/a@b.mp4", "drive/a@b.mp4"),
]  # fmt: skip


@pytest.mark.parametrize(("address", "wanted"), SHOWN)
def test_secrets_are_not_shown(address: str, wanted: str) -> None:
    assert masked(address) == wanted
    assert masked(wanted) == wanted
    if "://" in address:
        assert masked_text(f"lost: {address} (twice)") == f"lost: {wanted} (twice)"


@example("Zq000000@:?qZ", "rtsp://me:{}@host/a")
@example("Zq000@.?qZ", "rtsp://me:{}@host/a")
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6).map(
        lambda text: f"Zq{text}qZ"
    ),
    st.sampled_from(["rtsp://me:{}@host/a", "rtsp://me:{}@10.0.0.7:554/a/b?c=d"]),
)
def test_no_literal_password_is_shown(password: str, address: str) -> None:
    told = masked(address.format(password))
    assert password not in told
    assert "Zq" not in told
    assert "qZ" not in told


def test_variables_stay_in_what_is_stored() -> None:
    for address, wanted in (
        ("rtsp://me:$CAMPW@host/a", None),
        ("rtsp://me:${CAMPW}@host/user=me_password=$CAMPW", None),
        ("http://host/v?pwd=$CAMPW&x=1", None),
        ("rtsp://me:x$CAMPW@host/a", "rtsp://***@host/a"),
        ("rtsp://me:secret@host/a?pwd=$P", "rtsp://***@host/a?pwd=$P"),
    ):
        assert masked(address, keep_variables=True) == (wanted or address)
        kept = LiveSettings(url=address, frames=1).model_dump(mode="json")["url"]
        assert kept == (wanted or address)


class Camera(http.server.BaseHTTPRequestHandler):
    """A camera that wants a password; it sends grey pictures."""

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        self.server.seen.append((base64.b64decode(given).decode(), self.path))  # type: ignore[attr-defined]
        if not given:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        jpeg = cv2.imencode(".jpg", np.full((64, 96, 3), 90, np.uint8))[1].tobytes()
        try:
            for _ in range(100):
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(f"Content-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n")
                time.sleep(0.01)
        except OSError:
            pass  # the reader has left

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Iterator[http.server.ThreadingHTTPServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("CAMPW", ODD)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    server.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_run_on_a_camera_with_an_odd_password(
    camera: http.server.ThreadingHTTPServer, tiny_run: dict
) -> None:
    place = f"127.0.0.1:{camera.server_port}"
    url = f"http://viewer:$CAMPW@{place}/s?token=$CAMPW"
    target = {"kind": "camera", "url": url, "frames": 3, "size": [96, 64]}
    values = {**tiny_run, "target": target, "source": None, "evaluation": None,
              "schedule": [{"name": "here"}], "method": {"name": "source_only"}}  # fmt: skip
    folder = run(check(values, RunConfig, where="test"))
    user, path = next(seen for seen in camera.seen if seen[0])  # type: ignore[attr-defined]
    assert user == f"viewer:{ODD}"
    assert unquote(path) == f"/s?token={ODD}"
    kept = yaml.safe_load((folder / "config.yaml").read_text())
    assert kept["target"]["url"] == url  # the variable stays: it is no secret
    everything = "".join(p.read_text() for p in folder.iterdir() if p.is_file())
    assert ODD not in everything
    literal = {**target, "url": f"http://viewer:se/cr@et@{place}/s"}
    values["target"] = literal | {"url": f"http://viewer:Secret1@{place}/s"}
    folder = run(check(values, RunConfig, where="test"))
    assert "Secret1" not in "".join(p.read_text() for p in folder.iterdir() if p.is_file())
    kept = yaml.safe_load((folder / "config.yaml").read_text())
    assert kept["target"]["url"] == f"http://***@{place}/s"


def test_a_drive_of_a_camera(
    camera: http.server.ThreadingHTTPServer, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    address = f"http://viewer:$CAMPW@127.0.0.1:{camera.server_port}/s?pwd=Secret1"
    out = tmp_path / "out"
    driftseg.drive(address, tiny_checkpoint, learn=False, out=out, save=["labels"], stop=2)
    told = json.loads((out / "drive.json").read_text())
    assert told["source"] == f"http://***@127.0.0.1:{camera.server_port}/s?pwd=***"
    everything = "".join(p.read_text() for p in out.iterdir() if p.suffix in (".json", ".jsonl"))
    assert ODD not in everything
    assert "Secret1" not in everything


def on_a(target: dict, values: dict) -> dict:
    return {**values, "target": target, "source": None, "evaluation": None,
            "schedule": [{"name": "here"}], "method": {"name": "source_only"}}  # fmt: skip


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "camera", "url": "rtsp://me:Secret1@127.0.0.1:9/x", "frames": 1, "patience": 1},
        {"kind": "camera", "url": "rtsp://me:$CAMPW@127.0.0.1:9/x", "frames": 1, "patience": 1},
        {"kind": "camera", "url": "me:Secret1@127.0.0.1/x", "frames": 1},
        {"kind": "camera", "url": "rtsp://me:Secret1@h/x", "device": 0, "frames": 1},
        {"kind": "camera", "url": ["rtsp://me:Secret1@h/x"], "frames": 1},
        {"kind": "video", "path": "rtsp://me:Secret1@127.0.0.1:9/x"},
    ],
)
def test_no_error_shows_a_password(
    target: dict, tiny_run: dict, write_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPW", ODD)
    done = called(tmp_path, "run", write_config(on_a(target, tiny_run)))
    assert done.returncode == 2, done.stderr
    told = done.stdout + done.stderr
    assert "error: " in told
    assert "Secret1" not in told
    assert ODD not in told


def test_no_library_shows_a_password(tiny_run: dict, write_config) -> None:
    """A process of its own: FFmpeg writes past Python, and is told how much when first used."""
    target = {"kind": "camera", "url": "rtsp://me:$CAMPW@127.0.0.1:9/x?password=Secret1",
              "frames": 1, "patience": 1}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "driftseg", "run", str(write_config(on_a(target, tiny_run)))],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "NO_COLOR": "1", "CAMPW": ODD},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    told = done.stdout + done.stderr
    assert "error: " in told
    assert "Secret1" not in told
    assert ODD not in told


def test_a_video_that_is_an_address() -> None:
    with pytest.raises(InputError) as caught:
        open_file(Path("rtsp://me:Secret1@h/x"))
    assert str(caught.value) == (
        "rtsp://***@h/x: expected a video file, got the address of a stream. To fix: take kind: "
        "camera with url"
    )
