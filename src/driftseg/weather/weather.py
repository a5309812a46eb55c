"""Scenes put into a domain's weather, the same way whenever it is asked."""

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
    """Everything that weather depends on, but for the scene and the conditions."""

    camera: Camera
    label_space: LabelSpace
    seed: int
    severity: float = 1.0

    def on(self, scene: Scene, conditions: Conditions, domain: str) -> Image:
        """The scene's image in these conditions.

        The drops follow from seed, scene and the domain's name: a scene seen again in the same
        domain looks the same, so evaluations can be compared.
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
        """Which depth is used for scenes like this one, for the record."""
        return geometry_of(scene, self.camera, self.label_space).source
