"""What every method can be asked, and how the student answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from driftseg.frame import Adaptation, Image, Label, Prediction
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Walk, upsample
from driftseg.models.trainable import load_optimiser_state, optimiser_state


@dataclass(frozen=True)
class Answer:
    """The student's answer to an image, and what it came from."""

    images: Tensor
    """(1, 3, H, W) in [0, 1]."""
    walk: Walk
    """The shared prefix."""
    logits: Tensor
    """(1, C, h, w)."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return (self.images.shape[2], self.images.shape[3])


class Method(Protocol):
    """Predict first, adapt after: labels and domains are no arguments, so they cannot leak."""

    roles: Roles

    @property
    def updates(self) -> int:
        """Times the weights have changed; evaluations made at the same number are the same."""
        ...

    def predict(self, image: Image) -> Prediction:
        """Answers with the weights as they stand, and remembers the image for ``adapt``."""
        ...

    def adapt(self) -> Adaptation:
        """May learn from the image last predicted."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact continuation needs."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a method made with the same arguments."""
        ...


class Learner(Method, Protocol):
    """A method that another can answer for and hand its frames to."""

    def answer(self, image: Image) -> Answer:
        """What ``predict`` answers, before it is made a prediction; ``adapt`` may follow."""
        ...

    def learnt(self) -> dict[str, Any]:
        """Copies of student, teacher and the optimiser's moments."""
        ...

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with what was learnt at another time; all else stays."""
        ...


def learnt(roles: Roles, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """What `Learner.learnt` gives. Roles that are no part of the learning stay out of it."""
    return {
        "roles": roles.state_dict(leave_out=("static", "offline")),
        "optimiser": optimiser_state(optimiser),
    }


def bring_back(roles: Roles, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """What `Learner.bring_back` does."""
    roles.load_state_dict(state["roles"])
    load_optimiser_state(optimiser, state["optimiser"])


@torch.no_grad()
def answer(roles: Roles, image: Image) -> Answer:
    """The student on an image (H, W, 3) uint8, without gradients."""
    return answer_images(roles, to_images(image, roles.device))


@torch.no_grad()
def answer_images(roles: Roles, images: Tensor) -> Answer:
    """The student on images (1, 3, H, W) in [0, 1], without gradients."""
    walk = roles.prefix(images)
    return Answer(images, walk, roles.logits("student", roles.levels("student", walk)))


@torch.no_grad()
def with_offline(roles: Roles, answered: Answer) -> Tensor:
    """Logits (1, C, h, w) of student and offline role together; the student's where it is alone.

    The larger of the two probabilities of every class (LAE, Gao et al., ICCV 2023),
    as its logarithm on the head's grid, where nothing is divided by their sum: the most probable
    class is LAE's, confidence and entropy are those of the probabilities scaled to sum to 1.
    """
    if "offline" not in roles.overlays:
        return answered.logits
    offline = roles.logits("offline", roles.levels("offline", answered.walk))
    return torch.maximum(answered.logits.log_softmax(dim=1), offline.log_softmax(dim=1))


def to_images(image: Image, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 to a batch of one, (1, 3, H, W) in [0, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).to(device)
    return tensor.permute(2, 0, 1)[None].float() / 255


def to_prediction(logits: Tensor, size: tuple[int, int]) -> Prediction:
    """Labels at full size; confidence and entropy on the head's own grid.

    Args:
        logits: (1, C, h, w).
        size: (H, W).
    """
    with torch.no_grad():
        sure = certainty(logits)
        label = to_label(logits, size)
    return Prediction(label, sure["confidence"], sure["entropy"])


def most_probable(scores: Tensor) -> Tensor:
    """Ids of the largest of (B, C, H, W), (B, H, W).

    By the indices of ``max``: on a CPU torch's ``argmax`` takes about four times as long, a
    noticeable part of a small network's frame (``benchmarks/labels_speed.py``).
    """
    return scores.max(dim=1).indices


def certainty(logits: Tensor) -> dict[str, float]:
    """Mean largest probability and mean entropy (nats) of logits (B, C, h, w), on their grid."""
    probabilities = logits.softmax(dim=1)
    entropy = -(probabilities * logits.log_softmax(dim=1)).sum(dim=1).mean()
    return {"confidence": float(probabilities.amax(dim=1).mean()), "entropy": float(entropy)}


def to_label(logits: Tensor, size: tuple[int, int]) -> Label:
    """The most probable class of every pixel, (H, W)."""
    best = most_probable(upsample(logits.detach(), size))[0]
    return np.asarray(best.to(torch.uint8).cpu().numpy(), dtype=np.uint8)


@torch.no_grad()
def answers(roles: Roles, image: Image) -> Mapping[str, Label]:
    """What every head says, for evaluation; remembers and changes nothing.

    ``main`` is what methods answer with: the student, with the offline role where there is one.
    """
    answered = answer(roles, image)
    labels = {"main": to_label(with_offline(roles, answered), answered.size)}
    if roles.model.early_head is not None:
        first = roles.levels("student", answered.walk, depth=1)
        early = roles.logits("student", first, head="early_head")
        labels["early"] = to_label(early, answered.size)
    return labels
