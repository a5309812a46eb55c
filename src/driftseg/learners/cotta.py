"""CoTTA: continual test-time adaptation by a teacher over several views (Wang et al., CVPR 2022).

The form for segmentation, by the numbers of its released code for Cityscapes to ACDC: the static
source model's confidence decides per pixel between the teacher's plain label and its average over
views; the student learns that hard label; the teacher follows with .999; a hundredth of the
weights returns to the source. Where we differ: three scales, not seven (``scales``), for
speed; scaled sides are multiples of 32; probabilities are averaged, not logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from driftseg.learners.answering import most_probable
from driftseg.learners.contract import Answer, Order, Step
from driftseg.learners.parts.frames_only import FramesOnly, FramesOnlySettings
from driftseg.learners.parts.losses import weighted_cross_entropy
from driftseg.learners.parts.views import probabilities_of, view_probabilities, views_of
from driftseg.learners.settings import Needs, Supplies
from driftseg.models.draws import uniform
from driftseg.models.roles import Roles
from driftseg.models.sending import sent
from driftseg.settings import Positive, Share, TrainableSet


class CottaSettings(FramesOnlySettings):
    """CoTTA: a teacher over several views, and weights that return to the source."""

    name: Literal["cotta"]
    learning_rate: Positive = 7.5e-6
    """Adam's; the released code's for segmentation."""
    train: TrainableSet = ["encoder", "head"]
    """Parts of the network that train."""
    norm_statistics: Literal["source", "batch"] = "source"
    """What batch normalisation uses."""
    scales: Annotated[list[Positive], Field(min_length=1)] = [0.75, 1.0, 1.25]
    """Of the teacher's views; the released code has .5 to 2 in steps of .25."""
    flip: bool = True
    """Whether every scale is seen mirrored, too."""
    anchor: Share = 0.69
    """Where the static model is surer than this the teacher's plain label is taken."""
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    restore: Share = 0.01
    """Share of the trained numbers that returns to the source after every step."""

    def needs(self) -> Needs:
        """A teacher and the whole static model."""
        return Needs(tuple(self.train), self.norm_statistics, teacher=True, static="whole")

    def make_learner(self, supplies: Supplies) -> Cotta:
        """With its views."""
        return Cotta(
            supplies.roles,
            learning_rate=self.learning_rate,
            adapter_factor=supplies.adapter_factor,
            scales=self.scales,
            flip=self.flip,
            anchor=self.anchor,
            teacher_momentum=self.teacher_momentum,
            restore=self.restore,
            generator=supplies.torch(),
        )


class Cotta(FramesOnly):
    """One step of Adam on the hard label that the teacher and its views agree on.

    Args:
        roles: with a teacher and the whole static role.
        learning_rate: Adam's.
        adapter_factor: adapters of the encoder learn this many times as fast.
        scales: of views.
        flip: whether views are mirrored, too.
        anchor: confidence of the static role above which one view is enough.
        teacher_momentum: of the moving average.
        restore: share of numbers that return to the source.
        generator: draws which.
    """

    def __init__(
        self,
        roles: Roles,
        *,
        learning_rate: float,
        adapter_factor: float = 1.0,
        scales: Sequence[float],
        flip: bool,
        anchor: float,
        teacher_momentum: float,
        restore: float,
        generator: torch.Generator,
    ):
        super().__init__(
            roles, learning_rate=learning_rate, optimiser="adam", adapter_factor=adapter_factor
        )
        self._views = views_of(scales, flip=flip)
        self._anchor, self._momentum, self._restore = anchor, teacher_momentum, restore
        self._generator = generator
        self._last: tuple[Answer, Tensor] | None = None

    @torch.no_grad()
    def output(self, answer: Answer) -> Tensor:
        """The label that is learnt, as log probabilities at full size (1, C, H, W)."""
        roles, size = self.roles, answer.size
        plain = probabilities_of(roles, "teacher", answer, size)
        seen = [view_probabilities(roles, "teacher", answer, view, size) for view in self._views]
        views = torch.stack(seen).mean(dim=0)
        static = probabilities_of(roles, "static", answer, size)
        sure = static.amax(dim=1, keepdim=True) > self._anchor
        chosen = torch.where(sure, plain, views).clamp(min=1e-12).log()
        self._last = (answer, chosen)
        return chosen

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step; then the teacher follows, then weights are restored."""
        known = self._last is not None and self._last[0] is answer
        chosen = self._last[1] if known and self._last is not None else self.output(answer)
        self._last = None
        loss = weighted_cross_entropy(self.student(answer), most_probable(chosen))
        step = self.step(loss, order, {"confidence": chosen.exp().amax(dim=1).mean()})
        if step.made:
            self.roles.move_teacher(self._momentum)
            self._return_some()
        return step

    @torch.no_grad()
    def _return_some(self) -> None:
        source = self.roles.overlays["static"]
        for name, parameter in self.parameters.items():
            if parameter.requires_grad:
                drawn = sent(uniform(parameter.shape, self._generator), parameter)
                parameter.copy_(torch.where(drawn < self._restore, source[name], parameter))

    def memory(self) -> dict[str, Any]:
        """The generator."""
        return {"generator": self._generator.get_state()}

    def load_memory(self, state: dict[str, Any]) -> None:
        """Continues with it."""
        self._generator.set_state(state["generator"].cpu())
        self._last = None
