"""Which pseudo-labels to believe, and how much: confidence to weights.

The published rule (DACS; HAMLET, methods A.3 step 6) gives every pixel one weight, the share of
pixels more confident than .968. That number suits a Cityscapes model; a model that is less sure
of itself passes hardly a pixel and learns nothing. So a threshold can also be learnt from
held-out source frames (`driftseg.control.calibration`), per class, or follow the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

Weigh = Literal["share", "pixels"]
"""share: every pixel weighs as much as the share of pixels that pass. pixels: those that pass
weigh 1, the others 0."""


class Confidence(Protocol):
    """Turns the teacher's probabilities into weights of its labels."""

    def weights(self, probabilities: Tensor, source_confidence: float) -> Tensor:
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

    def weights(self, probabilities: Tensor, source_confidence: float) -> Tensor:
        """By the threshold of the most probable class."""
        confidence, labels = probabilities.max(dim=1)
        limits = self._thresholds.to(confidence)
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

    def weights(self, probabilities: Tensor, source_confidence: float) -> Tensor:
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

    def weights(self, probabilities: Tensor, source_confidence: float) -> Tensor:
        """Moves the averages, then judges by them."""
        confidence, labels = probabilities.max(dim=1)
        overall, classes = confidence.mean(), probabilities.mean(dim=(0, 2, 3))
        if self._overall is None or self._classes is None:
            self._overall, self._classes = overall, classes
        else:
            self._overall = torch.lerp(overall, self._overall, self._momentum)
            self._classes = torch.lerp(classes, self._classes, self._momentum)
        limits = self._overall * self._classes / self._classes.max()
        return _weights(confidence >= limits[labels], self._weigh)

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return {"overall": self._overall, "classes": self._classes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on."""
        self._overall, self._classes = state["overall"], state["classes"]


def _weights(passing: Tensor, weigh: Weigh) -> Tensor:
    if weigh == "pixels":
        return passing.float()
    share = passing.float().mean()
    return share.expand(passing.shape).clone()
