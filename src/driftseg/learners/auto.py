"""The default recipe: restyled replay, with a part of each frame's own batch statistics.

Two things adapt. Labelled source images restyled to the target train the weights
(`driftseg.learners.replay_training`). And every frame is predicted with statistics of batch
normalisation that are partly its own: (1 - alpha) source + alpha frame, as in alpha-BN (You et al.
2021; Schneider et al., NeurIPS 2020, with one frame). So new weather is met in its first frame, and
nothing of it stays. Where the frames are like the source, nothing is learnt, and the source model
takes part in the answer (`driftseg.learners.parts.homing`). The weights train with the source's
statistics.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from driftseg.learners.parts.harm import Harm, HarmSettings
from driftseg.learners.parts.homing import Homing, HomingSettings
from driftseg.learners.parts.restyle import RestyleSettings, RestylingName
from driftseg.learners.replay_training import ReplayTraining, ReplayTrainingSettings
from driftseg.learners.settings import Needs, Supplies
from driftseg.settings import Share


class AutoSettings(ReplayTrainingSettings, RestyleSettings):
    """The default recipe: restyled replay and a part of each frame's own batch statistics."""

    name: Literal["auto"]
    norm_statistics: Literal["blend_with_frame"] = "blend_with_frame"  # type: ignore[assignment]
    """The source's statistics and those of the frame that is predicted, blended."""
    alpha: Share = 0.1
    """Weight of the frame's own statistics, that of `alpha_bn`; 0 uses the source's alone."""
    restylings: Annotated[list[RestylingName], Field(min_length=1)] = ["bands", "texture"]
    """As of restyled_replay."""
    references: PositiveInt = 8
    """Last frames of which one is drawn at random for each image."""
    homing: HomingSettings | None = HomingSettings()
    """When frames count as like the source: nothing is learnt then, and the source model takes part
    in the answer. null always learns, and the student alone answers."""
    harm: HarmSettings | None = HarmSettings()
    """When learning counts as harm, so that its rate becomes smaller. null always uses the whole
    rate."""

    def needs(self) -> Needs:
        """Labelled source scenes, frames that are as large as these, and the source model."""
        needs = replace(super().needs(), as_large_as_source=True)
        alone = self.homing is None and self.harm is None
        return needs if alone else replace(needs, static="whole")

    def make_learner(self, supplies: Supplies) -> ReplayTraining:
        """Restyled replay; the frame's statistics take part where there is batch normalisation."""
        if supplies.roles.blends:
            supplies.roles.blend_statistics(self.alpha)
        return self.make_training(
            supplies,
            restyle=self.make_restyling(),
            references=self.references,
            homing=None if self.homing is None else Homing(supplies.roles, self.homing),
            harm=None if self.harm is None else Harm(supplies.roles, self.harm),
        )
