"""A camera or stream as scenes; each frame exists only once."""

from __future__ import annotations

import atexit
import itertools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, final

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from driftseg.errors import InputError
from driftseg.frame import Image, Scene
from driftseg.images.reading import Size, resize_image
from driftseg.labels import LabelSpace
from driftseg.scenes.addresses import filled, is_address, masked
from driftseg.scenes.capture import Capture, open_live, read
from driftseg.scenes.frames import UnlabelledSettings
from driftseg.weather.camera import CITYSCAPES, Camera


class LiveSettings(UnlabelledSettings):
    """A camera, or a stream from an address; each frame exists only once."""

    kind: Literal["camera"] = "camera"
    device: Annotated[int, Field(ge=0)] | None = None
    """The camera's number, from 0; or set ``url``."""
    url: Annotated[str | None, Field(validate_default=True)] = None
    """``rtsp://...`` or ``http://...``; ``$NAME`` is replaced from the environment and
    percent-encoded, so a config needs no password. Records of a run hold no password."""
    frames: PositiveInt
    """Number of frames to take."""
    newest: bool = True
    """Whether to take the newest frame and drop frames that arrived during learning. false takes
    every frame in order."""
    reconnections: Annotated[int, Field(ge=0)] = 3
    """Attempts to reconnect if no frame comes, before the run stops; each frame resets the
    count."""
    patience: PositiveFloat = 10.0
    """Seconds without a frame after which the connection counts as lost."""

    @field_validator("url")
    @classmethod
    def _one_source(cls, url: str | None, info: ValidationInfo) -> str | None:
        if (url is None) == (info.data.get("device") is None):
            both = "both" if url is not None else "neither"
            raise InputError(
                f"expected either device (a camera's number) or url (a stream), got {both}. To "
                "fix: set one of them"
            )
        if url is not None and not is_address(url):
            raise InputError(
                "url: expected rtsp://... or http://..., got another address. To fix: take kind: "
                "video for a file"
            )
        return url

    @field_serializer("url")
    def _without_secrets(self, url: str | None) -> str | None:
        return None if url is None else masked(url, keep_variables=True)

    def make(self, camera: Camera = CITYSCAPES) -> LiveScenes:
        """Connects."""
        source = self.device if self.url is None else filled(self.url)
        assert source is not None  # validation makes sure that one of them is set
        return LiveScenes(
            lambda: open_live(source, patience=self.patience),
            where=f"camera {source}" if isinstance(source, int) else masked(source),
            label_space=self.space(),
            frames=self.frames,
            newest=self.newest,
            reconnections=self.reconnections,
            patience=self.patience,
            size=self.size,
        )


@final
class LiveScenes:
    """A given number of frames of a live source, named by their position.

    A live source has no length and no order of its own. Each new position takes a frame. The last
    position gives the same frame again. Earlier frames are lost.

    Args:
        connect: opens the source; InputError if that fails.
        where: name of the source in errors.
        label_space: of predictions.
        frames: number of frames to take.
        newest: whether to take the newest frame and drop frames that arrived during learning.
            Otherwise every frame is taken in order, as far as the source buffers them.
        reconnections: attempts to reconnect if no frame comes; each frame resets the count.
        patience: seconds without a frame after which the connection counts as lost.
        pause: seconds before each attempt.
        size: (width, height) to shrink to.
    """

    def __init__(
        self,
        connect: Callable[[], Capture],
        *,
        where: str,
        label_space: LabelSpace,
        frames: int,
        newest: bool = True,
        reconnections: int = 3,
        patience: float = 10.0,
        pause: float = 1.0,
        size: Size | None = None,
    ):
        self._connect = connect
        self._where = where
        self.label_space = label_space
        self._frames = frames
        self._newest = newest
        self._reconnections = reconnections
        self._patience = patience
        self._pause = pause
        self._size = size
        self._last: tuple[int, Scene] | None = None
        self._taken = 0
        self._capture: NewestFrame | EveryFrame | None = None
        self._capture = self._open()

    def __len__(self) -> int:
        return self._frames

    def name(self, index: int) -> str:
        """The frame's position."""
        return f"{index:06d}"

    def scene(self, index: int) -> Scene:
        """Takes a new frame, or returns the last one again.

        Raises:
            InputError: an earlier position, a lost source, or frames smaller than ``size``.
        """
        last = -1 if self._last is None else self._last[0]
        if index < last:
            raise InputError(
                f"{self._where}: expected a frame after {last}, because a live source cannot go "
                f"back, got a request for frame {index}. To fix: keep order: sequential and "
                "passes: 1"
            )
        if self._last is None or index > last:
            image = self._take()
            if self._size is not None:
                image = resize_image(image, self._size, name=self._where)
            self._last = (index, Scene(self.name(index), image))
        return self._last[1]

    def check_order(self, numbers: Sequence[int]) -> None:
        """Raises InputError unless the scene numbers of a stream strictly increase."""
        if any(b <= a for a, b in itertools.pairwise(numbers)):
            raise InputError(
                f"{self._where}: expected a schedule that never goes back, because a live source "
                f"cannot, got one that does; the source holds {self._frames} frames. To fix: keep "
                "order: sequential and passes: 1, give every visit its frames, and the source at "
                "least the sum of them"
            )

    def close(self) -> None:
        """Gives the source back."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.close()

    def _open(self) -> NewestFrame | EveryFrame:
        capture = self._connect()
        if self._newest:
            return NewestFrame(capture, patience=self._patience)
        return EveryFrame(capture)

    def _take(self) -> Image:
        failures: list[str] = []
        while True:
            image = None if self._capture is None else self._capture.take()
            if image is not None:
                self._taken += 1
                return image
            self.close()
            if len(failures) == self._reconnections:
                raise InputError(self._lost(failures))
            time.sleep(self._pause)
            failures.append("no frame")
            try:
                self._capture = self._open()
            except InputError as error:
                failures[-1] = str(error)

    def _lost(self, failures: list[str]) -> str:
        tried = f", with {len(failures)} reconnections without success" if failures else ""
        last = f" ({failures[-1]})" if failures else ""
        return (
            f"{self._where}: expected the next frame, got none after {self._taken} frames{tried}"
            f"{last}. To fix: check the source, or raise reconnections or patience"
        )


@final
class EveryFrame:
    """Takes each frame in turn."""

    def __init__(self, capture: Capture):
        self._capture = capture

    def take(self) -> Image | None:
        """The next frame, RGB; None if none comes."""
        return read(self._capture)

    def release(self) -> None:
        """Gives the source back."""
        self._capture.release()


@final
class NewestFrame:
    """Reads continuously in a thread, so a frame that is taken is the current one.

    Continuous reading works for all cameras and streams, whatever number of frames a driver or
    network buffers.

    Args:
        capture: used and released by the thread.
        patience: seconds to wait for a new frame.
    """

    def __init__(self, capture: Capture, *, patience: float):
        self._capture = capture
        self._patience = patience
        self._changed = threading.Condition()
        self._image: Image | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._follow, name="newest frame", daemon=True)
        atexit.register(self.release)  # a thread that is killed within OpenCV crashes the process
        self._thread.start()

    def take(self) -> Image | None:
        """The newest frame that was not taken yet, RGB; waits for it. None if none comes."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._image is not None or self._ended, timeout=self._patience
            )
            image, self._image = self._image, None
        return image

    def release(self) -> None:
        """Ends the thread; does not wait for a thread that hangs in its source."""
        atexit.unregister(self.release)
        with self._changed:
            self._ended = True
        self._thread.join(timeout=self._patience)

    def _follow(self) -> None:
        while not self._ended:
            image = read(self._capture)
            with self._changed:
                self._image = self._image if image is None else image
                self._ended = self._ended or image is None
                self._changed.notify()
        self._capture.release()
