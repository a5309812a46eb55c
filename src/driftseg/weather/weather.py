"""Renders a domain's weather on scenes, reproducibly."""

from __future__ import annotations

from dataclasses import dataclass

from driftseg.frame import Image, Scene
from driftseg.labels import LabelSpace
from driftseg.weather.camera import Camera
from driftseg.weather.conditions import Conditions
from driftseg.weather.draws import drops_of
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import render


@dataclass(frozen=True)
class Weather:
    """All settings of weather except the scene and the conditions."""

    camera: Camera
    label_space: LabelSpace
    seed: int
    severity: float = 1.0

    def on(self, scene: Scene, conditions: Conditions, domain: str) -> Image:
        """The scene's image in these conditions.

        The drops depend on the seed, the scene and the domain's name. A scene looks the same each
        time in one domain, so evaluations can be compared.
        """
        if conditions.clear:
            return scene.image
        return render(
            scene.image,
            geometry_of(scene, self.camera, self.label_space),
            conditions,
            drops_of(scene.name, domain, self.seed),
            camera=self.camera,
            severity=self.severity,
        )

    def depth_note(self, scene: Scene) -> str:
        """The source of depth for scenes like this one, for the record."""
        return geometry_of(scene, self.camera, self.label_space).source
