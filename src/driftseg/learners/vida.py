"""ViDA: adapters of low and of high rank, weighed by uncertainty (Liu et al., ICLR 2024).

"ViDA: Homeostatic Visual Domain Adapter for Continual Test Time Adaptation", arXiv:2306.04344. The
adapters are of the kind ``vida``. The spread of the teacher's answers to several views of a frame
is its uncertainty U. Where U is large, the high-rank branches get a larger factor and the low-rank
branches a smaller one, and the other way round. The student learns the teacher's mean over the
views by cross-entropy, the teacher follows, and it answers.

Where we differ: the paper names dropout for the passes of U. Many networks have none, so the passes
differ by their view, as in the released code for classification. They are also the views of the
label, six in place of ten passes, for speed (``scales``, ``flip``), and their factors are 1.
``fused_views`` passes the views again with the frame's factors, for the paper's label. U and loss
are means over pixels of the head's grid. driftseg's heads get no adapters; a module of your own
gets them everywhere. The constants called the paper's were not compared with its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from driftseg.errors import InputError
from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, FramesOnlySettings
from driftseg.learners.parts.views import view_probabilities, views_of
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.adapters.dual_rank import dual_ranks_of, factors
from driftseg.models.adapters.spec import Kind
from driftseg.models.roles import Roles
from driftseg.settings import Positive, Share, TrainableSet


class VidaSettings(FramesOnlySettings):
    """ViDA: adapters of low and of high rank, weighed by the teacher's uncertainty."""

    name: Literal["vida"]
    learning_rate: Positive = 3e-5
    """Adam's for the encoder. Adapters learn ``adapters.factor`` times as fast; with its default of
    10 that is 3e-4, the paper's for segmentation."""
    train: TrainableSet = ["adapters"]
    """Parts of the network that train; ``adapters`` are those of the kind vida."""
    norm_statistics: Literal["source", "batch"] = "source"
    """What batch normalisation uses."""
    scales: Annotated[list[Positive], Field(min_length=1)] = [0.75, 1.0, 1.25]
    """Of the teacher's views; the paper has .5 to 2."""
    flip: bool = True
    """Whether every scale is seen mirrored, too. Scales and mirroring give the number of passes m;
    the paper has 10."""
    threshold: Share = 0.2
    """Theta: uncertainty from which the high-rank branches get the larger factor."""
    fused_views: bool = False
    """Whether the label comes from views that are passed again with the frame's factors, as in the
    paper. It doubles the teacher's passes."""
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """alpha of the moving average."""

    @property
    def adapter_kind(self) -> Kind:
        """Its own."""
        return "vida"

    @property
    def random(self) -> bool:
        """It draws nothing, besides the first values of adapters."""
        return False

    def needs(self) -> Needs:
        """A teacher."""
        return Needs(tuple(self.train), self.norm_statistics, teacher=True)

    def make_learner(self, supplies: Supplies) -> Vida:
        """With its views."""
        return Vida(
            supplies.roles,
            learning_rate=self.learning_rate,
            adapter_factor=supplies.adapter_factor,
            scales=self.scales,
            flip=self.flip,
            threshold=self.threshold,
            fused_views=self.fused_views,
            teacher_momentum=self.teacher_momentum,
        )


@dataclass(frozen=True, eq=False)
class Allotted:
    """What the teacher says of a frame."""

    label: Tensor
    """Mean probabilities over views on the head's grid, (1, C, h, w)."""
    uncertainty: Tensor
    """U, a number."""
    low: float
    high: float
    """Factors of the branches."""


class Vida(FramesOnly):
    """One step of Adam on the teacher's mean over views, with factors that follow its spread.

    Args:
        roles: with a teacher; the network has adapters of the kind ``vida``.
        learning_rate: Adam's.
        adapter_factor: adapters of the encoder learn this many times as fast.
        scales: of views.
        flip: whether views are mirrored, too.
        threshold: uncertainty from which the high rank gets the larger factor.
        fused_views: whether views are passed again, with the frame's factors, for the label.
        teacher_momentum: of the moving average.

    Raises:
        InputError: the network has no adapters of this kind.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        adapter_factor: float = 1.0,
        scales: Sequence[float],
        flip: bool,
        threshold: float,
        fused_views: bool,
        teacher_momentum: float,
    ):
        super().__init__(
            roles, learning_rate=learning_rate, optimiser="adam", adapter_factor=adapter_factor
        )
        self.keeps_graph = False  # the step's pass has other factors than the answering one
        self._adapters = dual_ranks_of(roles.network.module)
        if not self._adapters:
            raise InputError(
                "vida: expected a network with adapters of the kind vida, got one without. To fix: "
                "attach them first"
            )
        self._views = views_of(scales, flip=flip)
        self._threshold, self._fused, self._momentum = threshold, fused_views, teacher_momentum
        self._last: tuple[Answer, Allotted] | None = None

    @torch.no_grad()
    def output(self, answer: Answer) -> Tensor:
        """The teacher's logits with the frame's factors, (1, C, h, w)."""
        found = self._allot(answer)
        self._last = (answer, found)
        with factors(self._adapters, found.low, found.high):
            walk = self.roles.prefix(answer.images)
            return self.roles.logits("teacher", self.roles.levels("teacher", walk))

    def _allot(self, answer: Answer) -> Allotted:
        views = self._look_at(answer)
        spread = spread_of_views(views)
        low, high = allotment(float(spread), self._threshold)
        if self._fused:
            with factors(self._adapters, low, high):
                views = self._look_at(replace(answer, walk=self.roles.prefix(answer.images)))
        return Allotted(views.mean(dim=0), spread, low, high)

    def _look_at(self, answer: Answer) -> Tensor:
        """The teacher's probabilities for every view, (m, 1, C, h, w)."""
        size = (answer.logits.shape[2], answer.logits.shape[3])
        seen = [view_probabilities(self.roles, "teacher", answer, v, size) for v in self._views]
        return torch.stack(seen)

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step, then the teacher follows."""
        self._before = self.roles.moving_statistics()
        last, self._last = self._last, None
        with torch.no_grad():
            known = last is not None and last[0] is answer
            found = last[1] if known and last is not None else self._allot(answer)
        with factors(self._adapters, found.low, found.high):
            logits = self.other(answer.images)
            loss = -(found.label * logits.log_softmax(dim=1)).sum(dim=1).mean()
            told = {
                "uncertainty": found.uncertainty,
                "confidence": found.label.amax(dim=1).mean(),
            }
            step = self.step(loss, order, told)
        if step.made:
            self.roles.move_teacher(self._momentum)
        return step

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues; what was said of the last frame is found anew."""
        self._last = None


def spread_of_views(views: Tensor) -> Tensor:
    """U of equation 4: the mean over pixels of (1/m sum ||p_i - mean||^2)^(1/2).

    Args:
        views: probabilities of m passes, (m, B, C, h, w).
    """
    squares = (views - views.mean(dim=0)).square().sum(dim=2)
    return squares.mean(dim=0).sqrt().mean()


def allotment(uncertainty: float, threshold: float) -> tuple[float, float]:
    """Factors of the low-rank and of the high-rank branches (lambda_l, lambda_h; equation 5)."""
    if uncertainty >= threshold:
        return 1 - uncertainty, 1 + uncertainty
    return 1 + uncertainty, 1 - uncertainty
