"""A camera or stream as scenes: frames that exist once, when they are taken."""

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
    """A camera, or a stream from an address: frames that exist once."""

    kind: Literal["camera"] = "camera"
    device: Annotated[int, Field(ge=0)] | None = None
    """The camera's number, from 0; or set ``url``."""
    url: Annotated[str | None, Field(validate_default=True)] = None
    """``rtsp://...`` or ``http://...``; ``$NAME`` in it is taken from the environment and
    percent-encoded, so that no password has to be in a config. What a run keeps has none."""
    frames: PositiveInt
    """How many are taken."""
    newest: bool = True
    """Whether a frame is the newest there is; those that came while the last one was learnt from
    are dropped. false takes each in turn."""
    reconnections: Annotated[int, Field(ge=0)] = 3
    """Attempts to connect again when no frame comes, until the run stops; a frame resets them."""
    patience: PositiveFloat = 10.0
    """Seconds without a frame until the connection counts as lost."""

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
        assert source is not None  # one of both is set, or there were no such settings
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
    """A stated number of frames of a live source, named by when they were asked for.

    A live source has neither length nor order of its own: each new position takes a frame, the
    position last asked for gives the same frame again, and earlier ones are gone.

    Args:
        connect: opens the source; InputError where that fails.
        where: what to call the source in an error.
        label_space: what predictions mean.
        frames: how many are taken.
        newest: whether a frame is the newest there is; those that came while the last one was
            learnt from are dropped. Otherwise each is taken in turn, as far as the source waits.
        reconnections: attempts to connect again when no frame comes; a frame resets them.
        patience: seconds without a frame until the connection counts as lost.
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
        """Takes a frame, unless it is the one last taken.

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
        """Raises unless the scene numbers of a stream only ever go up."""
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
    """Reads on in a thread of its own, so that what is taken is what is seen now.

    Reading often is the one way that holds for cameras and streams alike: how many frames a
    driver or a network buffers is theirs to say.

    Args:
        capture: is the thread's from now on, and released by it.
        patience: seconds to wait for a frame that was not yet taken.
    """

    def __init__(self, capture: Capture, *, patience: float):
        self._capture = capture
        self._patience = patience
        self._changed = threading.Condition()
        self._image: Image | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._follow, name="newest frame", daemon=True)
        atexit.register(self.release)  # a thread cut off within OpenCV ends the process badly
        self._thread.start()

    def take(self) -> Image | None:
        """The newest frame that was not yet taken, RGB; waits for one, None if none comes."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._image is not None or self._ended, timeout=self._patience
            )
            image, self._image = self._image, None
        return image

    def release(self) -> None:
        """Lets the thread end; one that hangs in its source is left to itself."""
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
