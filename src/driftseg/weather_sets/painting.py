"""The task of one image: read image and depth once, render all its weathers, write."""

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
"""Level of zlib; higher levels take several times as long and hardly shrink streaks and noise."""
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Task:
    """The task of one image."""

    index: int
    """Name of the scene."""
    source: str
    """The image's file relative to the source's folder."""
    images: tuple[tuple[WeatherDomain, str], ...]
    """Domains to render, each with its file relative to the set."""
    labels: tuple[tuple[str, str], ...]
    """Names of the domains whose label is added, each with its file; Cityscapes has one file for
    all."""
    known: Mapping[str, Any] | None = None
    """The record's entry of the image, if some of its files exist and are correct."""


@dataclass(frozen=True)
class Painted:
    """The result of a task."""

    task: Task
    entry: dict[str, Any] | None
    """The entry for the record; None if the image, its label or depth could not be used."""
    reason: str = ""
    """Why it could not be used."""


@dataclass(frozen=True)
class Painter:
    """Runs tasks; every worker has one."""

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

        Random values depend only on seed, name and weather. The number of workers and the order do
        not matter, and a run with the same seed renders the same pixels.

        Raises:
            InputError: depth does not fit the image, or a file cannot be written.
        """
        known = task.known or {"depth": "", "made": {}}
        label = self.scenes.entries[task.index].label
        try:
            read = self.states(task.index)
            scene = self.scenes.scene(task.index) if task.images else None
            if scene is None and label is not None:
                self.scenes.decode(label)  # a label in the set must be readable
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
        """The source of depth in words, and the files made, by name of the domain."""
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
        """States of the label's files by name of the domain; the digest is the source's."""
        states: dict[str, dict[str, Any]] = {}
        for file in dict.fromkeys(file for _, file in places):
            put = put_label(label, self.out / file, self.size)
            known = None if put == "shrunk" else digest
            states[file] = {**state_of(self.out / file, file, known), "put": put}
        return {name: states[file] for name, file in places}

    def facts(self, index: int) -> dict[str, Any]:
        """The record's entry of a scene without reading the scene."""
        entry = self.scenes.entries[index]
        label = None if entry.label is None else self._from_root(entry.label)
        return {"name": entry.name, "split": entry.split, "domain": entry.domain, "label": label}

    def states(self, index: int) -> list[dict[str, Any]]:
        """States of the files of a scene, its image first, relative to the source's folder."""
        return [state_of(path, self._from_root(path)) for path in self.scenes.files(index)]

    def _from_root(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.root)).as_posix()


def encode(image: Image, kind: Format) -> bytes:
    """The bytes of an image file; PNG is lossless, JPEG is not."""
    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL],
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    }
    _, data = cv2.imencode(f".{kind}", image[..., ::-1], options[kind])
    return bytes(data)
