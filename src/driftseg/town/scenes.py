"""Town as a dataset: a drive through procedural streets, the embedded default."""

from __future__ import annotations

from driftseg.frame import Scene
from driftseg.images.reading import Size
from driftseg.labels import CAMVID11, LabelSpace
from driftseg.town.town import Town


class TownScenes:
    """Frames of a drive; each is rendered when asked for.

    Args:
        seed: another seed is another town.
        frames: length of the drive.
        start: the first frame's step of the camera.
        every: rendered frames are this many steps of the camera apart.
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
        """The town's seed and the camera's step."""
        return f"{self._prefix}_{self._step(index):06d}"

    def scene(self, index: int) -> Scene:
        """Renders one frame with exact label and depth."""
        scene = self._town.render(self._step(index))
        return Scene(self.name(index), scene.image, scene.label, scene.depth)
