"""The camera for which weather is rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from driftseg.settings import Settings, Share


@dataclass(frozen=True)
class Camera:
    """Lens, sensor and position of a camera.

    The defaults are those of the published rain tool (Halder 2019).

    The field of view is ``sensor_width * pixel_pitch / focal_length``; an image of any size covers
    all of it.
    """

    focal_length: float = 6.0
    """Millimetres."""
    pixel_pitch: float = 2.2
    """Micrometres, of the full sensor."""
    sensor_width: int = 2040
    """Pixels across the full sensor."""
    f_number: float = 6.0
    exposure: float = 5.0
    """Milliseconds."""
    gain: float = 20.0
    """Of the sensor's amplifier; with the f-number and exposure it sets the airlight."""
    focus: float = 6.0
    """Metres to the plane in focus."""
    height: float = 1.5
    """Metres above the road."""
    speed: float = 8.0
    """Metres per second along the optical axis."""
    horizon: float = 0.46
    """Row of the horizon as a share of the image height."""

    def focal_pixels(self, width: int) -> float:
        """Focal length in pixels of an image of this width."""
        return self.focal_length / (self.pixel_pitch * 1e-3) * width / self.sensor_width

    @property
    def sensor_focal_pixels(self) -> float:
        """Focal length in pixels of the full sensor."""
        return self.focal_length / (self.pixel_pitch * 1e-3)


CITYSCAPES = Camera(focal_length=4.96, height=1.22, horizon=0.417)
"""The rain tool's optics at the position of Cityscapes' cameras: focal length of 2262 pixels in an
image 2048 pixels wide, 1.22 m above the road (1.18 m in some cities), tilted down by .038. The tool
itself rendered with 6 mm and 1.5 m, which makes the road about twice as deep."""
TOWN = Camera(focal_length=4.04)
"""Town's horizontal field of view of 58 degrees on the same sensor."""
CAMVID = Camera(focal_length=4.3, horizon=0.42)
"""An estimate: CamVid used a handheld camera behind the windscreen, about 55 degrees."""

CAMERAS = {"town": TOWN, "camvid": CAMVID, "cityscapes": CITYSCAPES}
"""Cameras by their names in configs."""

CameraName = Literal["town", "camvid", "cityscapes"]


class CameraSettings(Settings):
    """A camera: a preset, and the values in which yours differs.

    The bounds are wider than for cameras on cars. Without them a typing error could draw streaks of
    kilometres and use up all memory.
    """

    preset: CameraName = "cityscapes"
    """The camera that gives the values that are not set."""
    focal_length: Annotated[float, Field(gt=0, le=100)] | None = None
    """Millimetres."""
    pixel_pitch: Annotated[float, Field(ge=0.5, le=50)] | None = None
    """Micrometres, of the full sensor."""
    sensor_width: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """Pixels across the full sensor."""
    f_number: Annotated[float, Field(ge=0.5, le=100)] | None = None
    exposure: Annotated[float, Field(gt=0, le=100)] | None = None
    """Milliseconds; a streak is the path of a drop in this time."""
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

    def make(self, camera: Camera | None = None) -> Camera:
        """The camera.

        Args:
            camera: gives the values that are not set; None is the preset.
        """
        changes = self.model_dump(exclude={"preset"}, exclude_none=True)
        return replace(CAMERAS[self.preset] if camera is None else camera, **changes)


def camera_of(settings: CameraName | CameraSettings) -> Camera:
    """The camera that a setting describes: a preset by name, or one with changes."""
    return CAMERAS[settings] if isinstance(settings, str) else settings.make()
