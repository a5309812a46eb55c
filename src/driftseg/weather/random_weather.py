"""Random weather on source images, for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from driftseg.errors import InputError, commas
from driftseg.frame import Image, Label, Scene
from driftseg.labels import LabelSpace
from driftseg.settings import Range, Settings, Share, in_order
from driftseg.weather.camera import CITYSCAPES, Camera, CameraName, CameraSettings, camera_of
from driftseg.weather.conditions import Conditions
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import render

RANGES: dict[str, tuple[float, float]] = {
    "rain": (10.0, 200.0),
    "visibility": (50.0, 800.0),
    "snow": (0.3, 3.0),
    "snow_cover": (0.2, 0.9),
    "night": (0.3, 1.0),
    "wet_road": (0.3, 1.0),
    "lens_drops": (0.02, 0.2),
}
"""Range of each kind of weather in the units of `Conditions`; each octave is equally likely."""


WeatherKind = Literal["rain", "visibility", "snow", "snow_cover", "night", "wet_road", "lens_drops"]


class RandomWeatherSettings(Settings):
    """Weather rendered on source images; each image gets one kind of random strength."""

    kinds: Annotated[list[WeatherKind], Field(min_length=1)]
    """rain 10 to 200 mm/h, visibility 50 to 800 m, snow 0.3 to 3 mm/h, snow_cover 0.2 to 0.9,
    night 0.3 to 1, wet_road 0.3 to 1, lens_drops 0.02 to 0.2 of the picture."""
    chance: Share = 0.5
    """Probability that an image gets weather."""
    camera: CameraName | CameraSettings = "cityscapes"
    """The camera for which weather is rendered."""
    severity: Range = (1.0, 1.0)
    """Smallest and largest factor on the strength of rain, fog and falling snow; 1 is the
    physics."""

    _ordered = field_validator("severity")(in_order)

    def make(self, label_space: LabelSpace) -> RandomWeather:
        """Random weather for images with labels in this label space."""
        return RandomWeather(
            tuple(self.kinds),
            label_space,
            chance=self.chance,
            camera=camera_of(self.camera),
            severity=self.severity,
        )


@dataclass(frozen=True)
class RandomWeather:
    """Renders one kind of weather of random strength on a labelled image.

    Args:
        kinds: of `RANGES`, equally likely.
        label_space: of the labels, which give the depth (`geometry_of`).
        chance: probability that an image changes.
        camera: for which weather is rendered.
        severity: range of the factor on the physics.
    """

    kinds: Sequence[str]
    label_space: LabelSpace
    chance: float = 0.5
    camera: Camera = CITYSCAPES
    severity: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in RANGES]
        if unknown or not self.kinds:
            raise InputError(
                f"weather kinds: expected one or more of {commas(RANGES)}, got "
                f"{commas(self.kinds)}. To fix: name only kinds of this list"
            )

    def __call__(self, image: Image, label: Label, generator: np.random.Generator) -> Image:
        """One version of the image; its label stays valid."""
        if generator.random() >= self.chance:
            return image
        kind = self.kinds[int(generator.integers(len(self.kinds)))]
        low, high = RANGES[kind]
        conditions = Conditions(**{kind: float(low * (high / low) ** generator.random())})
        return render(
            image,
            geometry_of(Scene("", image, label), self.camera, self.label_space),
            conditions,
            generator,
            camera=self.camera,
            severity=float(generator.uniform(*self.severity)),
        )
