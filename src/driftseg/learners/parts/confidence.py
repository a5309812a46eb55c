"""Weights of pseudo-labels from the confidence of the teacher.

The published rule (DACS, WACV 2021; HAMLET, ICCV 2023) gives every pixel the same weight, the share
of pixels with a confidence above 0.968. This number suits a Cityscapes model. A model with lower
confidence passes few pixels and learns nothing. So a threshold can also be calibrated on held-out
source frames (`driftseg.control.calibration`), for each class, or follow the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor

from driftseg.control.calibration import Calibration
from driftseg.errors import InputError
from driftseg.labels import IGNORE
from driftseg.models.sending import sent
from driftseg.settings import Positive, Settings, Share

Weigh = Literal["share", "pixels"]
"""share: every pixel weighs as much as the share of pixels that pass. pixels: those that pass
weigh 1, the others 0."""


class ConfidenceSettings(Settings):
    """Which pseudo-labels to believe (`driftseg.learners.parts.confidence`)."""

    rule: Literal["threshold", "source_share", "source_precision", "relative", "self_adapting"] = (
        "threshold"
    )
    """threshold: fixed, the published rule. source_share, source_precision: fixed, learnt from
    held-out source frames (needs ``calibration``). relative: AdaMatch's. self_adapting:
    FreeMatch's."""
    threshold: Share = 0.968
    """Of the rule ``threshold``; DACS's and HAMLET's."""
    source_share: Share = 0.8
    """Share of held-out source pixels that pass the threshold."""
    precision: Share = 0.95
    """Share of the held-out source pixels above the threshold that are right."""
    per_class: bool = False
    """Whether source_share and source_precision give every class its own threshold."""
    factor: Positive = 0.9
    """Of the rule ``relative``: threshold over the source batch's mean confidence; AdaMatch's."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Of the averages of ``self_adapting``, per trained frame."""
    weigh: Literal["share", "pixels"] = "share"
    """share: all pixels weigh as much as the share that passes (DACS). pixels: those that pass
    weigh 1, others 0."""

    @property
    def calibrated(self) -> bool:
        """Whether the rule is learnt from held-out source frames."""
        return self.rule in ("source_share", "source_precision")

    def make(self, calibration: Calibration | None) -> Confidence:
        """The rule that weighs pseudo-labels.

        Raises:
            InputError: the rule is learnt from source frames and none were given.
        """
        if self.rule == "threshold":
            return Thresholds([self.threshold], weigh=self.weigh)
        if self.rule == "relative":
            return RelativeThreshold(self.factor, weigh=self.weigh)
        if self.rule == "self_adapting":
            return SelfAdaptingThresholds(momentum=self.momentum, weigh=self.weigh)
        if calibration is None:
            raise InputError(
                "method.confidence.rule: expected held-out source frames for the rule "
                f"{self.rule}, got none. To fix: set calibration.data, or another rule"
            )
        table = calibration.confidence
        if self.rule == "source_share":
            found = table.share_thresholds(self.source_share, per_class=self.per_class)
        else:
            found = table.precision_thresholds(self.precision, per_class=self.per_class)
        return Thresholds(found, weigh=self.weigh)


class Confidence(Protocol):
    """Turns the teacher's probabilities into weights of its labels."""

    def weights(self, probabilities: Tensor, source_confidence: Tensor | float) -> Tensor:
        """Weights (B, H, W).

        Args:
            probabilities: the teacher's, (B, C, H, W).
            source_confidence: the student's mean largest probability on this step's labelled
                source pixels.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...


class Thresholds:
    """Fixed thresholds, one for all classes or one for each.

    Args:
        thresholds: one, or one a class.
        weigh: see `Weigh`.
    """

    def __init__(self, thresholds: Sequence[float], *, weigh: Weigh = "share"):
        self._thresholds = torch.tensor(list(thresholds))
        self._weigh = weigh

    def weights(self, probabilities: Tensor, source_confidence: Tensor | float) -> Tensor:
        """By the threshold of the most probable class."""
        confidence, labels = probabilities.max(dim=1)
        limits = sent(self._thresholds, confidence).to(confidence.dtype)
        limit = limits if len(limits) == 1 else limits[labels]
        return _weights(confidence >= limit, self._weigh)

    def state_dict(self) -> dict[str, Any]:
        """Nothing moves."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class RelativeThreshold:
    """A share of how sure the student is on labelled source pixels now.

    AdaMatch (Berthelot et al., ICLR 2022, section 3.2): the threshold falls and rises with the
    model's confidence where labels are known. Differs: the mean is over the pixels of one
    source batch.

    Args:
        factor: threshold over the mean source confidence. AdaMatch's: .9.
        weigh: see `Weigh`.
    """

    def __init__(self, factor: float, *, weigh: Weigh = "share"):
        self._factor, self._weigh = factor, weigh

    def weights(self, probabilities: Tensor, source_confidence: Tensor | float) -> Tensor:
        """By this step's threshold."""
        passing = probabilities.amax(dim=1) >= self._factor * source_confidence
        return _weights(passing, self._weigh)

    def state_dict(self) -> dict[str, Any]:
        """Nothing moves."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class SelfAdaptingThresholds:
    """Thresholds that follow the teacher's own confidence, per class (FreeMatch, ICLR 2023).

    Global: a moving average of the mean largest probability. Per class: times the moving
    average of the class's mean probability over that of the largest class (Wang et al.,
    equations 5 to 8). Differs: pixels take the place of samples, and the averages start at the
    first frame's values instead of 1 / C.

    Args:
        momentum: of the averages. FreeMatch's .999 is for 2^20 steps.
        weigh: see `Weigh`.
    """

    def __init__(self, *, momentum: float, weigh: Weigh = "pixels"):
        self._momentum, self._weigh = momentum, weigh
        self._overall: Tensor | None = None
        self._classes: Tensor | None = None

    def weights(self, probabilities: Tensor, source_confidence: Tensor | float) -> Tensor:
        """Moves the averages, then judges by them."""
        confidence, labels = probabilities.max(dim=1)
        overall, classes = confidence.mean(), probabilities.mean(dim=(0, 2, 3))
        if self._overall is None or self._classes is None:
            self._overall, self._classes = overall, classes
        else:
            self._overall = torch.lerp(overall, self._overall.to(overall), self._momentum)
            self._classes = torch.lerp(classes, self._classes.to(classes), self._momentum)
        limits = self._overall * self._classes / self._classes.max()
        return _weights(confidence >= limits[labels], self._weigh)

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return {"overall": self._overall, "classes": self._classes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on; where a state from a file belongs is known at the next frame."""
        self._overall, self._classes = state["overall"], state["classes"]


def _weights(passing: Tensor, weigh: Weigh) -> Tensor:
    if weigh == "pixels":
        return passing.float()
    share = passing.float().mean()
    return share.expand(passing.shape).clone()


def where_labelled(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean largest probability on the head's grid, over the cells that are labelled.

    A cell takes the label nearest to it, as `torch.nn.functional.interpolate` takes it. So a grid
    that does not divide the labels' size is covered whole. The mean stays on the device: few rules
    ask for it.
    """
    confidence = logits.softmax(dim=1).amax(dim=1)
    rows, columns = (
        torch.arange(cells, device=labels.device) * pixels // cells
        for cells, pixels in zip(confidence.shape[1:], labels.shape[1:], strict=True)
    )
    known = labels[:, rows[:, None], columns]
    mask = (known != IGNORE).to(confidence)
    return (confidence * mask).sum() / mask.sum().clamp(min=1)
