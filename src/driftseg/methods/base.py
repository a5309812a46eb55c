"""What every method can be asked, and how the student answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from driftseg.frame import Adaptation, Image, Label, Prediction
from driftseg.models.roles import Roles
from driftseg.models.segmenter import upsample


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
    """What every head of the student says, for evaluation; remembers and changes nothing."""
    size = (image.shape[0], image.shape[1])
    levels = roles.levels("student", roles.prefix(to_images(image, roles.device)))
    labels = {"main": to_label(roles.logits("student", levels), size)}
    if roles.model.early_head is not None:
        labels["early"] = to_label(roles.logits("student", levels, head="early_head"), size)
    return labels
