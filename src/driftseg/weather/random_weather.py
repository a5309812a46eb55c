"""Weather drawn at random, for training on more than clear days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from driftseg.errors import InputError
from driftseg.frame import Image, Label, Scene
from driftseg.labels import LabelSpace
from driftseg.weather.camera import CITYSCAPES, Camera
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
"""What each kind of weather is drawn from, every octave as likely, in the units of `Conditions`."""


@dataclass(frozen=True)
class RandomWeather:
    """Puts a labelled image into one kind of weather, of random strength.

    Args:
        kinds: of `RANGES`, each as likely.
        label_space: of the labels, which give the depth (`geometry_of`).
        chance: of an image to be changed at all.
        camera: through which the weather is seen.
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
            raise InputError(f"weather kinds must be some of {list(RANGES)}, not {self.kinds}")

    def __call__(self, image: Image, label: Label, generator: np.random.Generator) -> Image:
        """One version of the image; the label stays what it is."""
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
