"""The settings of ``driftseg.adapt``, which are sections of a run's config."""

from __future__ import annotations

from typing import Annotated

from pydantic import SerializeAsAny, model_validator

from driftseg.config.own_adapters import with_adapters_of_the_method
from driftseg.control.guard import Guarding, GuardSettings
from driftseg.learners.settings import MethodSettings
from driftseg.methods.table import METHODS
from driftseg.models.adapters.settings import AdapterSettings
from driftseg.parts import Pick
from driftseg.replay.replay import ReplaySettings
from driftseg.settings import Pixels, Seed, Settings


class AdaptConfig(Settings):
    """Keyword arguments of ``driftseg.adapt``; the sections are those of `RunConfig`."""

    method: Annotated[SerializeAsAny[MethodSettings], Pick(METHODS)]
    """The adaptation method and its settings."""
    adapters: AdapterSettings | None = None
    """Adapters that are put into the model; null puts in none, except those of vida."""
    replay: ReplaySettings = ReplaySettings()
    """How source scenes are drawn."""
    crop: tuple[Pixels, Pixels] | None = None
    """(width, height) in pixels of a random window. The method learns from such a window of each
    frame and of each source image. null takes whole frames, cropped to the size of source images
    where these are smaller."""
    guard: Guarding = GuardSettings()
    """Keeps adaptation from wrecking the model (docs/guard.md): a section, or ``off``."""
    seed: Seed = 0
    """Seed of everything random in adaptation."""

    @model_validator(mode="after")
    def _adapters_of_the_method(self) -> AdaptConfig:
        return with_adapters_of_the_method(self)
