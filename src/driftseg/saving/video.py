"""A video of a drive: the overlay, a legend, and a strip with the drift signal and events."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from driftseg.errors import InputError
from driftseg.frame import Image
from driftseg.labels import Colour
from driftseg.saving.pictures import overlay
from driftseg.saving.shots import Shot

LEGEND, STRIP = 190, 96
"""Width of the legend and height of the strip in pixels."""
PAPER, INK, FAINT = (250, 250, 250), (40, 40, 40), (205, 205, 205)
SIGNAL, EVENT, LEARNT = (31, 119, 180), (214, 39, 40), (44, 160, 44)
SHOWN = 300
"""Number of frames in the strip."""
CODECS = ("libx264", "h264", "mpeg4")
"""Codecs; the first that the installed PyAV has is used."""


FRAGMENTS, FRAGMENT = "frag_keyframe+empty_moov+default_base_moof", 50
"""Frames per fragment; after a killed process all fragments but the last can be played."""


class VideoWriter:
    """An MP4 to which frames are added one at a time.

    Args:
        path: the file.
        classes: names in id order.
        colours: of the classes.
        frames_per_second: of the video.
        title: of the drive, for the strip.

    Raises:
        InputError: PyAV is not installed.
    """

    def __init__(
        self,
        path: Path,
        *,
        classes: Sequence[str],
        colours: Sequence[Colour],
        frames_per_second: float,
        title: str,
    ):
        try:
            import av
        except ImportError:
            raise InputError(
                "save: expected the library PyAV for a video, got no installation. To fix: pip "
                "install 'driftseg[video]', or save overlays"
            ) from None
        self._av = av
        self._path = path
        self._classes, self._colours = list(classes), list(colours)
        self._rate = Fraction(frames_per_second).limit_denominator(1000)
        self._title = title
        self._container: Any = None
        self._stream: Any = None
        self._size: tuple[int, int] | None = None
        self._past: deque[tuple[float | None, bool, bool]] = deque(maxlen=SHOWN)

    def add(self, shot: Shot) -> None:
        """Adds one frame.

        Raises:
            InputError: the frame has another size than the first.
        """
        facts = shot.facts
        self._past.append(
            (facts.get("signal"), facts.get("event") is not None, bool(facts.get("trained")))
        )
        picture = self.draw(shot)
        if self._container is None:
            self._open(picture)
        if self._size != (picture.shape[1], picture.shape[0]):
            raise InputError(
                f"save: expected frames of one size for a video, got frame {shot.index} of "
                f"{shot.image.shape[1]}x{shot.image.shape[0]}. To fix: set size, which brings all "
                "frames to one size"
            )
        frame = self._av.VideoFrame.from_ndarray(picture, format="rgb24")
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _open(self, picture: Image) -> None:
        self._size = (picture.shape[1], picture.shape[0])
        self._container = self._av.open(
            str(self._path), mode="w", format="mp4", options={"movflags": FRAGMENTS}
        )
        codec = next(name for name in CODECS if name in self._av.codecs_available)
        self._stream = self._container.add_stream(codec, rate=self._rate)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = FRAGMENT

    def close(self) -> None:
        """Ends the file so that it can be played; writes nothing without frames."""
        if self._container is None:
            return
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        self._container = None

    def draw(self, shot: Shot) -> Image:
        """The whole picture of one frame, RGB; sides are even, as codecs need."""
        high, wide = shot.image.shape[:2]
        height, width = (high + STRIP + 1) // 2 * 2, (wide + LEGEND + 1) // 2 * 2
        canvas = np.full((height, width, 3), PAPER, dtype=np.uint8)
        canvas[:high, :wide] = overlay(shot.image, shot.label, self._colours)
        self._draw_legend(canvas, shot, wide)
        self._draw_strip(canvas, shot, high)
        return canvas

    def _draw_legend(self, canvas: Image, shot: Shot, left: int) -> None:
        """Classes in the picture first, the largest on top."""
        counts = np.bincount(shot.label.ravel(), minlength=len(self._classes))
        order = np.argsort(-counts[: len(self._classes)], kind="stable")
        rows = max(1, (canvas.shape[0] - STRIP - 8) // 18)
        for row, index in enumerate(order[:rows]):
            if counts[index] == 0:
                break
            top = 8 + 18 * row
            colour = tuple(int(value) for value in self._colours[index])
            cv2.rectangle(canvas, (left + 8, top), (left + 20, top + 12), colour, -1)
            share = 100 * counts[index] / shot.label.size
            _write(canvas, f"{self._classes[index][:16]} {share:.0f} %", (left + 26, top + 11))

    def _draw_strip(self, canvas: Image, shot: Shot, top: int) -> None:
        width = canvas.shape[1]
        facts = shot.facts
        cv2.line(canvas, (0, top), (width, top), FAINT, 1)
        speed = facts.get("frames_per_second")
        told = [self._title, f"frame {shot.index}"]
        told += [] if speed is None else [f"{speed:.1f} frames/s"]
        told.append("learning" if facts.get("trained") else facts.get("skipped") or "not learning")
        _write(canvas, "   ".join(told), (8, top + 16))
        self._draw_signal(canvas, top + 24, top + STRIP - 20)
        _write(canvas, "drift signal", (8, top + STRIP - 6), SIGNAL)
        _write(canvas, "change found", (110, top + STRIP - 6), EVENT)
        _write(canvas, "learnt", (220, top + STRIP - 6), LEARNT)

    def _draw_signal(self, canvas: Image, top: int, bottom: int) -> None:
        width = canvas.shape[1] - 16
        step = width / SHOWN
        values = [signal for signal, _, _ in self._past if signal is not None]
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        span = max(high - low, 1e-6)
        last: tuple[int, int] | None = None
        for place, (signal, event, trained) in enumerate(self._past):
            x = 8 + round(place * step)
            if event:
                cv2.line(canvas, (x, top), (x, bottom), EVENT, 1)
            if trained:
                cv2.line(canvas, (x, bottom), (x, bottom + 3), LEARNT, max(1, round(step)))
            if signal is not None:
                here = (x, round(bottom - (bottom - top) * (signal - low) / span))
                if last is not None:
                    cv2.line(canvas, last, here, SIGNAL, 1, cv2.LINE_AA)
                last = here


def _write(
    canvas: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int] = INK
) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
