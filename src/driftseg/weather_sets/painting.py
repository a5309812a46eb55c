"""One image's task: read it and its depth once, render every weather asked for, write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from driftseg.errors import MisfitError, UnreadableError
from driftseg.frame import Image, Scene
from driftseg.images.reading import Size
from driftseg.scenes.dataset import SceneFiles
from driftseg.weather.camera import Camera
from driftseg.weather.draws import drops_of, seed_of
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import render
from driftseg.weather_sets.domains import WeatherDomain
from driftseg.weather_sets.labels import put_label
from driftseg.weather_sets.places import Format
from driftseg.weather_sets.writing import digest_of, state_of, write_whole

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
    labels: tuple[tuple[str, str], ...]
    """Names of the weathers whose label is to be put in its place, each with its file; of
    Cityscapes it is one file for all."""
    known: Mapping[str, Any] | None = None
    """What the record says of the image, where something of it is there and right."""


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
        known = task.known or {"depth": "", "made": {}}
        label = self.scenes.entries[task.index].label
        try:
            read = self.states(task.index)
            scene = self.scenes.scene(task.index) if task.images else None
            if scene is None and label is not None:
                self.scenes.decode(label)  # what is put in the set can be read
        except (UnreadableError, MisfitError) as error:
            return Painted(task, None, str(error))
        depth: str = known["depth"]
        rendered: dict[str, dict[str, Any]] = {}
        if scene is not None:
            depth, rendered = self._render(scene, task.images)
        made = {name: dict(state) for name, state in known["made"].items()}
        for name, state in rendered.items():
            beside = {key: value for key, value in made.get(name, {}).items() if key == "label"}
            made[name] = {**state, **beside}
        if label is not None:
            for name, state in self._put_labels(label, task.labels, read[1]["digest"]).items():
                made[name]["label"] = state
        entry = {**self.facts(task.index), "read": read, "depth": depth, "made": made}
        return Painted(task, entry)

    def _render(
        self, scene: Scene, images: Sequence[tuple[WeatherDomain, str]]
    ) -> tuple[str, dict[str, dict[str, Any]]]:
        """Where depth came from in words, and what was made, by the weather's name."""
        geometry = geometry_of(scene, self.camera, self.scenes.label_space)
        made = {}
        for domain, file in images:
            conditions = domain.on(labelled=scene.label is not None)
            image = render(
                scene.image, geometry, conditions, drops_of(scene.name, domain.name, self.seed),
                camera=self.camera, severity=self.severity,
            )  # fmt: skip
            data = encode(image, self.kind)
            write_whole(self.out / file, data)
            made[domain.name] = {
                **state_of(self.out / file, file, digest_of(data)),
                "conditions": str(conditions),
                "seed": seed_of(scene.name, domain.name, self.seed),
            }
        return geometry.source, made

    def _put_labels(
        self, label: Path, places: Sequence[tuple[str, str]], digest: str
    ) -> dict[str, dict[str, Any]]:
        """States of the label's files, by the weather's name; the digest is the source's."""
        states: dict[str, dict[str, Any]] = {}
        for file in dict.fromkeys(file for _, file in places):
            put = put_label(label, self.out / file, self.size)
            known = None if put == "shrunk" else digest
            states[file] = {**state_of(self.out / file, file, known), "put": put}
        return {name: states[file] for name, file in places}

    def facts(self, index: int) -> dict[str, Any]:
        """What the record says of a scene without reading it."""
        entry = self.scenes.entries[index]
        label = None if entry.label is None else self._from_root(entry.label)
        return {"name": entry.name, "split": entry.split, "domain": entry.domain, "label": label}

    def states(self, index: int) -> list[dict[str, Any]]:
        """Of the files a scene is read from, its image first, relative to the source's folder."""
        return [state_of(path, self._from_root(path)) for path in self.scenes.files(index)]

    def _from_root(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.root)).as_posix()


def encode(image: Image, kind: Format) -> bytes:
    """The bytes of an image file; PNG keeps every pixel, JPEG does not."""
    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL],
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    }
    _, data = cv2.imencode(f".{kind}", image[..., ::-1], options[kind])
    return bytes(data)
