"""The default recipe: restyled replay, with batch-normalisation statistics blended as needed.

Three things adapt. Labelled source images restyled to the target train the weights
(`driftseg.learners.replay_training`). The target's batch-normalisation statistics take part by a
weight that is measured (`driftseg.learners.parts.blending`). Where the frames are like the source,
the source model answers and nothing is learnt (`driftseg.learners.parts.homing`). The weights train
with the source's statistics: trained with the blend, they gained nothing beside it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from driftseg.learners.parts.blending import Blending, BlendSettings
from driftseg.learners.parts.homing import Homing, HomingSettings
from driftseg.learners.parts.restyle import RestyleSettings, RestylingName
from driftseg.learners.replay_training import ReplayTraining, ReplayTrainingSettings
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.roles import StaticDepth


class AutoSettings(ReplayTrainingSettings, RestyleSettings):
    """The default recipe: restyled replay and blended batch-normalisation statistics."""

    name: Literal["auto"]
    norm_statistics: Literal["blend"] = "blend"  # type: ignore[assignment]
    """The source's and the target's statistics, blended."""
    restylings: Annotated[list[RestylingName], Field(min_length=1)] = ["bands", "texture"]
    """As of restyled_replay."""
    references: PositiveInt = 8
    """Last frames of which one is drawn at random for each image."""
    blend: BlendSettings = BlendSettings()
    """How the weight of the target's statistics is chosen."""
    homing: HomingSettings | None = HomingSettings()
    """When the source model answers because the frames are like the source; null always learns."""

    def needs(self) -> Needs:
        """Labelled source scenes, frames that are as large as these, and the source model."""
        alone = self.homing is None and len(self.blend.weights) == 1
        static: StaticDepth = "none" if alone else "whole"
        return replace(super().needs(), as_large_as_source=True, static=static)

    def make_learner(self, supplies: Supplies) -> ReplayTraining:
        """Restyled replay with blending."""
        return self.make_training(
            supplies,
            restyle=self.make_restyling(),
            references=self.references,
            blending=Blending(supplies.roles, self.blend),
            homing=None if self.homing is None else Homing(supplies.roles, self.homing),
        )
