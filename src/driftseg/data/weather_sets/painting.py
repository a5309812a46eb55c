"""One image's task: read it and its depth once, render every weather asked for, write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from driftseg.data.datasets.files import SceneFiles
from driftseg.data.images import Size
from driftseg.data.weather.camera import Camera
from driftseg.data.weather.draws import drops_of, seed_of
from driftseg.data.weather.geometry import geometry_of
from driftseg.data.weather.render import render
from driftseg.data.weather_sets.domains import WeatherDomain
from driftseg.data.weather_sets.labels import put_label
from driftseg.data.weather_sets.places import Format
from driftseg.data.weather_sets.writing import digest_of, state_of, write_whole
from driftseg.errors import MisfitError, UnreadableError
from driftseg.frame import Image

PNG_LEVEL = 1
"""Of zlib: streaks and noise hardly shrink further, but take several times as long."""
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Task:
    """What is to be made of one image."""

    index: int
    """Of the scene."""
    source: str
    """The image's file relative to the source's folder."""
    images: tuple[tuple[WeatherDomain, str], ...]
    """Weathers to render, each with its file relative to the set."""
    labels: tuple[str, ...]
    """Where the label should appear, relative to the set."""


@dataclass(frozen=True)
class Painted:
    """What came of a task."""

    task: Task
    entry: dict[str, Any] | None
    """For the record; None where the image, its label or depth could not be used."""
    reason: str = ""
    """Why not."""


@dataclass(frozen=True)
class Painter:
    """Does tasks; every worker has one."""

    scenes: SceneFiles
    root: Path
    out: Path
    camera: Camera
    seed: int
    severity: float
    size: Size | None
    kind: Format

    def paint(self, task: Task) -> Painted:
        """Reads, renders and writes.

        What is random follows from seed, name and weather alone, so neither the number of
        workers nor the order matters, and a run of the same seed renders the same pixels.

        Raises:
            InputError: depth does not fit the image, or a file cannot be written.
        """
        try:
            entry: dict[str, Any] = {"read": self.states(task.index), "made": {}}
            scene = self.scenes.scene(task.index)
        except (UnreadableError, MisfitError) as error:
            return Painted(task, None, str(error))
        geometry = geometry_of(scene, self.camera, self.scenes.label_space)
        entry["depth"] = geometry.source
        for domain, file in task.images:
            conditions = domain.on(labelled=scene.label is not None)
            image = render(
                scene.image, geometry, conditions, drops_of(scene.name, domain.name, self.seed),
                camera=self.camera, severity=self.severity,
            )  # fmt: skip
            data = encode(image, self.kind)
            write_whole(self.out / file, data)
            entry["made"][domain.name] = {
                **state_of(self.out / file, file, digest_of(data)),
                "conditions": str(conditions),
                "seed": seed_of(scene.name, domain.name, self.seed),
            }
        label = self.scenes.entries[task.index].label
        if label is not None:
            put = {put_label(label, self.out / place, self.size) for place in task.labels}
            entry["labels"] = " and ".join(sorted(put))
        return Painted(task, entry)

    def states(self, index: int) -> list[dict[str, Any]]:
        """Of the files a scene is read from, its image first, relative to the source's folder."""
        return [
            state_of(path, Path(os.path.relpath(path, self.root)).as_posix())
            for path in self.scenes.files(index)
        ]


def encode(image: Image, kind: Format) -> bytes:
    """The bytes of an image file; PNG keeps every pixel, JPEG does not."""
    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL],
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    }
    _, data = cv2.imencode(f".{kind}", image[..., ::-1], options[kind])
    return bytes(data)
