"""The last frames of the stream, whose appearance replay images can wear."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from driftseg.frame import Image


class References:
    """Keeps the last few frames and gives one of them at random.

    Args:
        capacity: frames kept.
    """

    def __init__(self, capacity: int):
        self._frames: deque[Image] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, image: Image) -> None:
        """Keeps a copy; the oldest goes when there is no room.

        A frame that is smaller than all those kept is left out, because replay images need a
        window of their own size in it.
        """
        sizes = [kept.shape[:2] for kept in self._frames]
        least = [min(lengths) for lengths in zip(*sizes, strict=True)]
        if all(own >= small for own, small in zip(image.shape, least, strict=False)):
            self._frames.append(image.copy())

    def draw(self, generator: np.random.Generator) -> Image:
        """Any of the frames kept, with the same chance."""
        return self._frames[int(generator.integers(len(self._frames)))]

    def state_dict(self) -> dict[str, Any]:
        """The frames, oldest first."""
        return {"frames": list(self._frames)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues references made with the same capacity."""
        self._frames.clear()
        self._frames.extend(state["frames"])
