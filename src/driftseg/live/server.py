"""The page's server: only on this machine, and only with the token."""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.labels import Colour
from driftseg.live.history import History
from driftseg.saving.pictures import jpg, overlay
from driftseg.saving.shots import Shot, at_full_size, class_shares

HOST = "127.0.0.1"
WIDEST = 960
"""Largest side in pixels of a picture on the page; larger ones are shrunk."""
CHANGES = 200
"""Largest number of detected changes in the chart: the last ones."""
FAREWELL = 1.5
"""Seconds that the server waits at the end for a last request of open pages."""


class LivePage:
    """Shows a drive on a local page (``driftseg adapt --live``).

    The server listens on this machine's loopback address. The page's address contains a random
    token; requests without it are refused. The drive only hands over its last frame. Pictures are
    encoded only when a browser requests them.

    Args:
        port: of the page; 0 takes a free one.

    Raises:
        InputError: the port is in use, or not permitted.
    """

    def __init__(self, port: int = 0):
        self._lock = threading.Lock()
        self._told: dict[str, Any] = {"title": "driftseg", "source": "", "frames": None}
        self._end: tuple[str, str] = ("running", "")
        self._shot: Shot | None = None
        self._classes: tuple[str, ...] = ()
        self._colours: tuple[Colour, ...] = ()
        self._signals, self._confidences = History(), History()
        self._changes: list[dict[str, Any]] = []
        self._seen = 0
        self._asked = -FAREWELL
        self._told_end = threading.Event()
        self._token = secrets.token_urlsafe(24)
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        except OSError as error:
            raise InputError(
                f"--port {port}: expected a free port, got an error ({error.strerror}). To fix: "
                "take another port, or leave out --port"
            ) from None
        except OverflowError:
            raise InputError(
                f"--port: expected 0 to 65535, got {port}. To fix: take a port in this range"
            ) from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True,
            name="driftseg-live",
        )  # fmt: skip
        self._thread.start()

    @property
    def port(self) -> int:
        """The port of the page."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://{HOST}:{self.port}/{self._token}/"

    def begin(
        self, *, title: str, source: str, classes: Sequence[str], colours: Sequence[Colour],
        frames: int | None,
    ) -> None:  # fmt: skip
        """Facts on the drive: method, source of frames, classes, number of frames."""
        with self._lock:
            self._told = {"title": title, "source": source, "frames": frames}
            self._classes, self._colours = tuple(classes), tuple(colours)

    def show(self, shot: Shot) -> None:
        """Takes the last frame; its facts are as in a line of ``frames.jsonl``."""
        event = shot.facts.get("event")
        with self._lock:
            self._shot = shot
            self._seen = shot.index + 1
            self._signals.add(_finite(shot.facts.get("signal")))
            self._confidences.add(_finite(shot.facts.get("confidence")))
            if event is not None:
                self._changes = [*self._changes, {"frame": shot.index}][-CHANGES:]

    def end(self, state: str, message: str) -> None:
        """Reports the end of the drive, and stops the server when open pages know it.

        Args:
            state: ``ended``, ``stopped`` or ``failed``.
            message: for the viewer.
        """
        with self._lock:
            self._end = (state, message)
            watched = time.monotonic() - self._asked < FAREWELL
        if watched:
            self._told_end.wait(FAREWELL)
            time.sleep(0.3)  # for the pictures that the page requests then
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def state(self) -> dict[str, Any]:
        """All data of the page except the pictures."""
        with self._lock:
            shot, (state, message) = self._shot, self._end
            signals, confidences = self._signals.points(), self._confidences.points()
            told = {**self._told, "frame": self._seen, "changes": self._changes}
            self._asked = time.monotonic()
        has_signal = any(value is not None for _, value in signals)
        told |= {
            "state": state, "message": message, "signal": has_signal,
            "points": signals if has_signal else confidences,
        }  # fmt: skip
        if shot is not None:
            told |= {
                key: shot.facts.get(key)
                for key in ("frames_per_second", "predict_ms", "learn_ms", "confidence")
            }
            told |= {"name": shot.name, "learns": _learns(shot), "classes": self._shares(shot)}
        return told

    def _shares(self, shot: Shot) -> list[dict[str, Any]]:
        """Classes of the frame, the largest first."""
        colours = dict(zip(self._classes, self._colours, strict=True))
        shares = class_shares(shot.label, self._classes)
        return [
            {"name": name, "share": share, "colour": "rgb({},{},{})".format(*colours[name])}
            for name, share in sorted(shares.items(), key=lambda each: -each[1])
        ]

    def picture(self, name: str) -> bytes | None:
        """``image.jpg`` or ``overlay.jpg`` of the last frame; None before the first."""
        with self._lock:
            shot = self._shot
        if shot is None:
            return None
        if name == "overlay.jpg":
            shot = at_full_size(shot)
            return jpg(_small(overlay(shot.image, shot.label, self._colours)))
        return jpg(_small(shot.image))

    def answered(self, state: dict[str, Any]) -> None:
        """Records that a page has received a state."""
        if state["state"] != "running":
            self._told_end.set()

    def page(self, nonce: str) -> str:
        """The page itself; it reads everything else from the server."""
        text = (files("driftseg.live") / "page.html").read_text(encoding="utf-8")
        return text.replace("{{ nonce }}", nonce)

    def allows(self, host: str | None, path: str) -> str | None:
        """The part of a path after the token; None if host or token is wrong.

        The check of the host prevents access by other sites whose name points to this machine (DNS
        rebinding).
        """
        token, slash, name = path.partition("?")[0].lstrip("/").partition("/")
        known = host in (f"{HOST}:{self.port}", f"localhost:{self.port}")
        right = secrets.compare_digest(token.encode(), self._token.encode())
        return name if known and right and slash else None


def _handler(page: LivePage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            name = page.allows(self.headers.get("Host"), self.path)
            if name is None:
                self._send(403, "text/plain", b"wrong address: copy it whole from the command\n")
            elif name == "":
                nonce = secrets.token_urlsafe(16)
                self._send(200, "text/html; charset=utf-8", page.page(nonce).encode(), nonce)
            elif name == "state.json":
                state = page.state()
                self._send(200, "application/json", json.dumps(state).encode())
                page.answered(state)
            elif name in ("image.jpg", "overlay.jpg") and (data := page.picture(name)):
                self._send(200, "image/jpeg", data)
            else:
                self._send(404, "text/plain", b"there is nothing here\n")

        def _send(self, code: int, kind: str, data: bytes, nonce: str = "") -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header(
                "Content-Security-Policy",
                "default-src 'none'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
                f"style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; frame-ancestors 'none'",
            )
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *values: Any) -> None:
            """Logs nothing: the command's output is for the drive."""

    return Handler


def _learns(shot: Shot) -> str:
    """Which part learns from the frame, in words."""
    if shot.facts.get("skipped"):
        return f"skipped: {shot.facts['skipped']}"
    if not shot.facts.get("trained"):
        return "nothing"
    parts = ", ".join(shot.facts.get("learns") or ())
    return parts or "statistics of batch normalisation only"


def _finite(value: float | None) -> float | None:
    """Replaces NaN, which browsers do not accept in JSON."""
    return value if value is not None and math.isfinite(value) else None


def _small(image: Image) -> Image:
    if image.shape[1] <= WIDEST:
        return image
    size = (WIDEST, max(1, round(image.shape[0] * WIDEST / image.shape[1])))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
