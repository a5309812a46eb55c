"""A video file as scenes without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from driftseg.errors import InputError, UnreadableError
from driftseg.frame import Image, Scene
from driftseg.images.reading import Size, resize_image
from driftseg.labels import LabelSpace
from driftseg.scenes.capture import open_file, to_rgb
from driftseg.scenes.frames import FrameRangeSettings
from driftseg.weather.camera import CITYSCAPES, Camera

NEAR = 64
"""Up to this number of frames are decoded instead of a seek, which decodes from a key frame
anyway."""


class VideoSettings(FrameRangeSettings):
    """A video file."""

    kind: Literal["video"] = "video"
    path: Path

    def make(self, camera: Camera = CITYSCAPES) -> VideoScenes:
        """The video's frames."""
        return VideoScenes(
            self.path, label_space=self.space(), start=self.start, stop=self.stop,
            every=self.every, size=self.size,
        )  # fmt: skip


class VideoScenes:
    """Frames of a video, each named by its number in the file, from 0.

    The constructor decodes the file once up to ``stop``, because the number of frames in its header
    is often missing or wrong. Frames in order are decoded in order. A seek is accepted only if the
    frame has the time that the first pass recorded. Otherwise the file is decoded again from its
    start.

    Args:
        path: the file.
        label_space: of predictions.
        start: first frame kept.
        stop: frame after the last one kept; None keeps the rest.
        every: keep every n-th frame.
        size: (width, height) to shrink to.

    Raises:
        InputError: the file is missing or no video, or no frame is left.
    """

    def __init__(
        self,
        path: Path,
        *,
        label_space: LabelSpace,
        start: int = 0,
        stop: int | None = None,
        every: int = 1,
        size: Size | None = None,
    ):
        self._path = path
        self.label_space = label_space
        self._size = size
        self._capture = open_file(path)
        self._times = _times(self._capture, stop)
        if not self._times:
            self.close()
            raise InputError(
                f"{path}: expected a video, got a file of which no frame can be decoded. To "
                "fix: check that it is a whole video"
            )
        self._distinct = bool(np.all(np.diff(self._times) > 0))
        self._frames = range(start, len(self._times), every)
        if not self._frames:
            self.close()
            raise InputError(
                f"{path}: expected frames between start={start} and stop={stop}, got none; the "
                f"video has {len(self._times)} frames up to there. To fix: change start or stop"
            )
        self._next = len(self._times)

    def __len__(self) -> int:
        return len(self._frames)

    def name(self, index: int) -> str:
        """The frame's number in the file."""
        return f"{self._frames[index]:06d}"

    def scene(self, index: int) -> Scene:
        """Decodes one frame.

        Raises:
            UnreadableError: it cannot be decoded.
            InputError: it is smaller than ``size``.
        """
        where = f"{self._path}, frame {self._frames[index]}"
        image = self._decode(self._frames[index])
        if image is None:
            raise UnreadableError(
                f"{where}: expected a frame that can be decoded, got a damaged one. To fix: "
                "convert the video again, or raise corrupt_share"
            )
        if self._size is not None:
            image = resize_image(image, self._size, name=where)
        return Scene(self.name(index), image)

    def close(self) -> None:
        """Closes the file; the next frame opens it again."""
        self._capture.release()
        self._next = len(self._times)

    def _decode(self, frame: int) -> Image | None:
        if not self._next <= frame <= self._next + NEAR and self._jump(frame):
            return self._taken()
        if frame < self._next:
            self._capture.release()
            self._capture, self._next = open_file(self._path), 0
        while self._next <= frame:
            if not self._capture.grab():
                return None
            self._next += 1
        return self._taken()

    def _jump(self, frame: int) -> bool:
        """Seeks to a frame and grabs it; whether it is the right one."""
        self._next = len(self._times)  # after a failed seek the position is not in order
        if not self._distinct or not self._capture.set(cv2.CAP_PROP_POS_FRAMES, frame):
            return False
        if not self._capture.grab() or _time(self._capture) != self._times[frame]:
            return False
        self._next = frame + 1
        return True

    def _taken(self) -> Image | None:
        there, image = self._capture.retrieve()
        return to_rgb(image) if there else None


def _times(capture: cv2.VideoCapture, stop: int | None) -> list[float]:
    """Time of each frame in ms, for all frames before ``stop`` that can be decoded."""
    times: list[float] = []
    while (stop is None or len(times) < stop) and capture.grab():
        times.append(_time(capture))
    return times


def _time(capture: cv2.VideoCapture) -> float:
    return float(capture.get(cv2.CAP_PROP_POS_MSEC))
