"""How much of a source is held in memory, and at which size."""

from __future__ import annotations

from driftseg.replay.replay import ReplaySettings
from driftseg.runs.adapting import Source
from driftseg.scenes.dataset import Selection

HELD_BYTES = 512 * 2**20
"""Memory for source scenes where no ``replay`` capacity is set."""
LEAST_HELD = 8
"""Scenes that are held however large they are."""


def held(
    source: Source | None, replay: ReplaySettings, size: tuple[int, int]
) -> tuple[Source | None, ReplaySettings]:
    """As much of a source as memory is granted for, evenly chosen, unless a capacity is set."""
    if source is None or "capacity" in replay.model_fields_set:
        return source, replay
    width, height = smaller(size, source.size)
    most = max(LEAST_HELD, HELD_BYTES // (4 * width * height))  # three bytes of image, one of label
    number = len(source.scenes)
    if number > most:
        chosen = [index * number // most for index in range(most)]
        source = Source(Selection(source.scenes, chosen), source.size)
    return source, replay.model_copy(update={"capacity": min(most, replay.capacity)})


def smaller(size: tuple[int, int], other: tuple[int, int] | None) -> tuple[int, int]:
    """(width, height) that both can be cropped to."""
    return size if other is None else (min(size[0], other[0]), min(size[1], other[1]))
