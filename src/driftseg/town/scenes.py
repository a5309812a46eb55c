"""Town as a dataset: a drive through procedural streets, the default dataset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from driftseg.frame import Scene
from driftseg.images.reading import Size
from driftseg.labels import CAMVID11, LabelSpace
from driftseg.scenes.dataset import DatasetSettings
from driftseg.settings import Pixels, Seed
from driftseg.town.town import Town
from driftseg.weather.camera import CITYSCAPES, Camera


class TownSettings(DatasetSettings):
    """Procedural streets; needs no files."""

    kind: Literal["town"] = "town"
    seed: Seed = 0
    """Another seed gives another town."""
    frames: PositiveInt = 200
    start: Annotated[int, Field(ge=0)] = 0
    """First step of the camera, in frames of the drive."""
    every: PositiveInt = 1
    """Steps of the camera (0.8 m each) between two frames."""
    size: tuple[Pixels, Pixels] = (256, 192)
    """(width, height)."""

    def make(self, camera: Camera = CITYSCAPES) -> TownScenes:
        """The drive; its depth is exact, so the camera has no effect."""
        return TownScenes(
            seed=self.seed, frames=self.frames, start=self.start, every=self.every, size=self.size
        )


class TownScenes:
    """Frames of a drive; each is rendered on request.

    Args:
        seed: another seed gives another town.
        frames: length of the drive.
        start: the first frame's step of the camera.
        every: steps of the camera between two rendered frames.
        size: (width, height).
    """

    label_space: LabelSpace = CAMVID11

    def __init__(
        self, *, seed: int, frames: int, start: int = 0, every: int = 1, size: Size = (320, 240)
    ):
        self._town = Town(seed=seed, size=size)
        self._prefix = f"town{seed}"
        self._frames = frames
        self._start = start
        self._every = every

    def _step(self, index: int) -> int:
        return self._start + index * self._every

    def __len__(self) -> int:
        return self._frames

    def name(self, index: int) -> str:
        """A name from the town's seed and the camera's step."""
        return f"{self._prefix}_{self._step(index):06d}"

    def scene(self, index: int) -> Scene:
        """Renders one frame with exact label and depth; IndexError beyond the drive's length."""
        if not 0 <= index < self._frames:
            raise IndexError(
                f"expected a frame below {self._frames}, the length of the drive, got {index}"
            )
        scene = self._town.render(self._step(index))
        return Scene(self.name(index), scene.image, scene.label, scene.depth)
