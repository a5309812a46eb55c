"""What an adaptation is set by when it is called from Python: the sections of a run's config."""

from __future__ import annotations

from typing import Annotated

from pydantic import SerializeAsAny

from driftseg.learners.settings import MethodSettings
from driftseg.methods.table import METHODS
from driftseg.models.adapters.settings import AdapterSettings
from driftseg.parts import Pick
from driftseg.replay.replay import ReplaySettings
from driftseg.settings import Pixels, Seed, Settings


class AdaptConfig(Settings):
    """Keyword arguments of ``driftseg.adapt``; the sections are those of `RunConfig`."""

    method: Annotated[SerializeAsAny[MethodSettings], Pick(METHODS)]
    adapters: AdapterSettings | None = None
    """Small parts that are put into the model; null is none."""
    replay: ReplaySettings = ReplaySettings()
    """How source scenes are drawn."""
    crop: tuple[Pixels, Pixels] | None = None
    """(width, height) of the window of each frame, and of the source, that is learnt from; null
    takes whole frames, or as much of them as source scenes are large."""
    seed: Seed = 0
    """Of everything random in adaptation."""
