"""Data sections of sources without labels: sequences, videos, cameras and streams."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator

from driftseg.settings import Pixels, Settings


class FrameRange(Settings):
    """Which frames of a sequence, and how large."""

    label_space: str = "camvid11"
    """What predictions mean; the checkpoint's."""
    start: Annotated[int, Field(ge=0)] = 0
    """First frame kept."""
    stop: PositiveInt | None = None
    """Frame after the last one kept; null keeps the rest."""
    every: PositiveInt = 1
    """Keep one frame in so many."""
    size: tuple[Pixels, Pixels] | None = None
    """(width, height) to shrink to; null keeps the frames' own."""


class ImagesData(FrameRange):
    """Images that a pattern names, without labels."""

    kind: Literal["images"]
    pattern: str
    """Wildcards (``drive/*.png``) or a number (``drive/frame_%05d.png``)."""


class VideoData(FrameRange):
    """A video file."""

    kind: Literal["video"]
    path: Path


class CameraData(Settings):
    """A camera, or a stream from an address: frames that exist once."""

    kind: Literal["camera"]
    device: Annotated[int, Field(ge=0)] | None = None
    """The camera's number, from 0; or set ``url``."""
    url: Annotated[str | None, Field(validate_default=True)] = None
    """``rtsp://...`` or ``http://...``; ``$NAME`` in it is taken from the environment, so that no
    password has to be in a config, which a run keeps."""
    frames: PositiveInt
    """How many are taken."""
    newest: bool = True
    """Whether a frame is the newest there is; those that came while the last one was learnt from
    are dropped. false takes each in turn."""
    reconnections: Annotated[int, Field(ge=0)] = 3
    """Attempts to connect again when no frame comes, until the run stops; a frame resets them."""
    patience: PositiveFloat = 10.0
    """Seconds without a frame until the connection counts as lost."""
    label_space: str = "camvid11"
    """What predictions mean; the checkpoint's."""
    size: tuple[Pixels, Pixels] | None = None
    """(width, height) to shrink to; null keeps the frames' own."""

    @field_validator("url")
    @classmethod
    def _one_source(cls, url: str | None, info: ValidationInfo) -> str | None:
        if (url is None) == (info.data.get("device") is None):
            raise ValueError("wanted either device (a camera's number) or url (a stream)")
        if url is not None and "://" not in url:
            raise ValueError("wanted rtsp://... or http://...; a file is kind: video")
        return url
