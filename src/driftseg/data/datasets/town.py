"""Town as a dataset: a drive through procedural streets, the embedded default."""

from __future__ import annotations

from driftseg.data.images import Size
from driftseg.data.town import Town
from driftseg.frame import Scene
from driftseg.labels import CAMVID11, LabelSpace


class TownScenes:
    """Frames of a drive; each is rendered when asked for.

    Args:
        seed: another seed is another town.
        frames: length of the drive.
        every: rendered frames are this many steps of the camera apart.
        size: (width, height).
    """

    label_space: LabelSpace = CAMVID11

    def __init__(self, *, seed: int, frames: int, every: int = 1, size: Size = (320, 240)):
        self._town = Town(seed=seed, size=size)
        self._prefix = f"town{seed}"
        self._frames = frames
        self._every = every

    def __len__(self) -> int:
        return self._frames

    def name(self, index: int) -> str:
        """The town's seed and the camera's step."""
        return f"{self._prefix}_{index * self._every:06d}"

    def scene(self, index: int) -> Scene:
        """Renders one frame with exact label and depth."""
        scene = self._town.render(index * self._every)
        return Scene(self.name(index), scene.image, scene.label, scene.depth)
