"""How weather is set: the camera it is seen through, and weather to train on."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, field_validator

from driftseg.settings import Range, Settings, Share, in_order
from driftseg.weather.camera import CAMERAS, Camera

WeatherKind = Literal["rain", "visibility", "snow", "snow_cover", "night", "wet_road", "lens_drops"]
CameraName = Literal["town", "camvid", "cityscapes"]


class CameraSettings(Settings):
    """A camera: a preset, and what is different about yours.

    The bounds are those of cameras on cars and beyond; without them a slip of the keyboard draws
    streaks of kilometres, until memory runs out.
    """

    preset: CameraName = "cityscapes"
    """Which camera gives all that is left out."""
    focal_length: Annotated[float, Field(gt=0, le=100)] | None = None
    """Millimetres."""
    pixel_pitch: Annotated[float, Field(ge=0.5, le=50)] | None = None
    """Micrometres, of the full sensor."""
    sensor_width: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """Pixels across the full sensor."""
    f_number: Annotated[float, Field(ge=0.5, le=100)] | None = None
    exposure: Annotated[float, Field(gt=0, le=100)] | None = None
    """Milliseconds; streaks are as long as drops fall in it."""
    gain: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Of the sensor's amplifier; with f-number and exposure it sets the rain's airlight."""
    focus: Annotated[float, Field(ge=0.2, le=10_000)] | None = None
    """Metres to the plane in focus."""
    height: Annotated[float, Field(gt=0, le=100)] | None = None
    """Metres above the road."""
    speed: Annotated[float, Field(ge=0, le=60)] | None = None
    """Metres per second along the optical axis."""
    horizon: Share | None = None
    """Row of the horizon as a share of the image height."""


def camera_of(settings: CameraName | CameraSettings) -> Camera:
    """The camera that a setting describes."""
    if isinstance(settings, str):
        return CAMERAS[settings]
    changes = settings.model_dump(exclude={"preset"}, exclude_none=True)
    return replace(CAMERAS[settings.preset], **changes)


class WeatherAugmentation(Settings):
    """Weather rendered on source images, each in one kind of random strength."""

    kinds: Annotated[list[WeatherKind], Field(min_length=1)]
    """rain 10 to 200 mm/h, visibility 50 to 800 m, snow 0.3 to 3 mm/h, snow_cover 0.2 to 0.9,
    night 0.3 to 1, wet_road 0.3 to 1, lens_drops 0.02 to 0.2 of the picture."""
    chance: Share = 0.5
    """Of an image to be put into weather."""
    camera: CameraName | CameraSettings = "cityscapes"
    """Through which it is seen."""
    severity: Range = (1.0, 1.0)
    """Smallest and largest strength of rain, fog and falling snow relative to the physics."""

    _ordered = field_validator("severity")(in_order)
