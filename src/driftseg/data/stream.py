"""The stream: a schedule and a dataset make frames, in their domain's weather."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import numpy as np

from driftseg.data.datasets.files import Dataset
from driftseg.data.schedule import Visit
from driftseg.data.weather.camera import Camera
from driftseg.data.weather.depth import road_plane_depth
from driftseg.data.weather.rain import rain
from driftseg.errors import InputError, UnreadableError
from driftseg.frame import Frame, Image, Scene
from driftseg.labels import LabelSpace


@dataclass(frozen=True)
class Weather:
    """How scenes are put into a domain's weather, the same way whenever it is asked."""

    camera: Camera
    label_space: LabelSpace
    seed: int
    severity: float = 1.0

    def on(self, scene: Scene, visit: Visit) -> Image:
        """The scene's image in the visit's weather.

        The drops follow from seed, scene and domain: a scene seen again in the same domain
        looks the same, so evaluations can be compared.
        """
        if visit.rain == 0:
            return scene.image
        depth = scene.depth
        if depth is None:
            height, width = scene.image.shape[:2]
            depth = road_plane_depth(
                height, width, camera=self.camera, label=scene.label, label_space=self.label_space
            )
        key = zlib.crc32(f"{scene.name} {visit.domain}".encode())
        return rain(
            scene.image, depth, visit.rain, np.random.default_rng([self.seed, key]),
            camera=self.camera, severity=self.severity,
        )  # fmt: skip


def depth_note(scene: Scene) -> str:
    """Which depth `Weather` uses for scenes like this one, for the record."""
    if scene.depth is not None:
        return "exact depth"
    if scene.label is not None:
        return "road-plane depth; upright things stand where their label meets the ground"
    return "road-plane depth without labels: everything above the horizon is 200 m away"


@dataclass(frozen=True)
class Skipped:
    """A frame that could not be read."""

    visit: int
    name: str
    reason: str


class Stream:
    """Frames in the schedule's order.

    Args:
        dataset: scenes; those of a visit are taken in the dataset's order.
        visits: the schedule.
        weather: puts scenes into weather.
        corrupt_share: unreadable frames are skipped; more than this share of all frames stops.
    """

    def __init__(
        self, dataset: Dataset, visits: Sequence[Visit], *, weather: Weather, corrupt_share: float
    ):
        self._dataset = dataset
        self.visits = list(visits)
        self._weather = weather
        self._allowed = corrupt_share
        self.plan = _plan(dataset, self.visits)
        """(visit, scene number) of every frame, in order."""
        self._position = 0
        self.skipped: list[Skipped] = []

    def __len__(self) -> int:
        return len(self.plan)

    def frames_of(self, visit: int) -> int:
        """Number of frames planned for a visit."""
        return sum(1 for v, _ in self.plan if v == visit)

    def __iter__(self) -> Iterator[Frame]:
        """Goes on from where the stream stands.

        Raises:
            InputError: too many frames were unreadable, or a label does not fit its image or
                label space, which no skipping mends.
        """
        while self._position < len(self.plan):
            index = self._position
            self._position += 1
            visit, number = self.plan[index]
            try:
                scene = self._dataset.scene(number)
            except UnreadableError as error:
                self._skip(visit, self._dataset.name(number), str(error))
                continue
            image = self._weather.on(scene, self.visits[visit])
            yield Frame(index, visit, self.visits[visit].domain, scene.name, image, scene.label)

    def _skip(self, visit: int, name: str, reason: str) -> None:
        self.skipped.append(Skipped(visit, name, reason))
        if len(self.skipped) > self._allowed * len(self.plan):
            raise InputError(
                f"{len(self.skipped)} of {len(self.plan)} frames of the stream could not be read, "
                f"more than corrupt_share {self._allowed:g} allows; the last: {reason}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands."""
        return {
            "position": self._position,
            "skipped": [[s.visit, s.name, s.reason] for s in self.skipped],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there."""
        self._position = state["position"]
        self.skipped = [Skipped(*entry) for entry in state["skipped"]]


def _plan(dataset: Dataset, visits: Sequence[Visit]) -> list[tuple[int, int]]:
    names = [dataset.name(i) for i in range(len(dataset))]
    plan: list[tuple[int, int]] = []
    cursors: dict[tuple[str, ...], int] = {}
    for number, visit in enumerate(visits):
        matching = [
            i for i, name in enumerate(names)
            if not visit.include or any(fnmatch(name, pattern) for pattern in visit.include)
        ]  # fmt: skip
        if not matching:
            example = names[0] if names else "nothing"
            raise InputError(
                f"schedule: no frame of the target matches {list(visit.include)} of domain "
                f"{visit.domain}; its names look like {example}"
            )
        count = len(matching) if visit.frames is None else visit.frames
        start = cursors.get(visit.include, 0) if visit.frames is not None else 0
        cursors[visit.include] = start + count
        chosen = [matching[(start + i) % len(matching)] for i in range(count)]
        plan += [(number, i) for _ in range(visit.passes) for i in chosen]
    return plan
