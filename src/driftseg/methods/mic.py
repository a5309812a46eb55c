"""MIC: DACS with masked image consistency (Hoyer et al., CVPR 2023).

The student also sees the frame with most of its blocks hidden and learns the teacher's
pseudo-labels for the whole of it, with DACS's weights. `driftseg.learners.masked` has the loss.
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat

from driftseg.learners.masked import MaskedTraining, Masking
from driftseg.learners.settings import Supplies
from driftseg.methods.dacs import DacsSettings
from driftseg.settings import Positive, Share


class MicSettings(DacsSettings):
    """MIC: DACS with a loss on the frame with most of its blocks hidden."""

    name: Literal["mic"]  # type: ignore[assignment]
    mask_ratio: Share = 0.7
    """Share of blocks that is hidden."""
    mask_block: Positive = 64.0
    """Side of a block in pixels, in a frame of 512 rows; it scales with the frame."""
    mask_weight: NonNegativeFloat = 1.0
    """Of the loss."""

    def make_learner(
        self, supplies: Supplies, *, hold_everything: bool = False, **released: bool
    ) -> MaskedTraining:
        """DACS's step with the masked frame."""
        masking = Masking(self.mask_ratio, self.mask_block, self.mask_weight)
        arguments = self._arguments(supplies, hold_everything, **released)
        return MaskedTraining(masking=masking, **arguments)
