"""How the student answers, and how logits become labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from driftseg.frame import Image, Label, Prediction
from driftseg.learners.contract import Answer
from driftseg.models.roles import Roles
from driftseg.models.segmenter import upsample
from driftseg.models.sending import sent


def answer(roles: Roles, image: Image, *, keep_graph: bool = False) -> Answer:
    """The student on an image (H, W, 3) uint8.

    Args:
        roles: whose student answers.
        image: RGB.
        keep_graph: whether gradients can be taken through the logits.
    """
    images = to_images(image, roles.device)
    walk = roles.prefix(images)
    with torch.set_grad_enabled(keep_graph):
        logits = roles.logits("student", roles.levels("student", walk))
    return Answer(image, images, walk, logits)


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
    tensor = sent(torch.from_numpy(np.ascontiguousarray(image)), device)
    return tensor.permute(2, 0, 1)[None].float() / 255


def to_prediction(logits: Tensor, size: tuple[int, int]) -> Prediction:
    """Labels at full size; confidence and entropy on the head's own grid.

    Args:
        logits: (1, C, h, w).
        size: (H, W).
    """
    with torch.no_grad():
        best = most_probable(upsample(logits.detach(), size))[0].to(torch.uint8)
        # One fetch: the two numbers travel behind the labels, byte by byte.
        numbers = torch.stack(_certainty(logits)).float().view(torch.uint8)
        fetched = torch.cat([best.flatten(), numbers]).cpu().numpy()
    confidence, entropy = fetched[best.numel() :].copy().view(np.float32).tolist()
    return Prediction(fetched[: best.numel()].reshape(best.shape), confidence, entropy)


def most_probable(scores: Tensor) -> Tensor:
    """Ids of the largest of (B, C, H, W), (B, H, W).

    By the indices of ``max``: on a CPU torch's ``argmax`` takes about four times as long, a
    noticeable part of a small network's frame (``benchmarks/labels_speed.py``).
    """
    return scores.max(dim=1).indices


def certainty(logits: Tensor) -> dict[str, float]:
    """Mean largest probability and mean entropy (nats) of logits (B, C, h, w), on their grid."""
    confidence, entropy = torch.stack(_certainty(logits)).tolist()
    return {"confidence": confidence, "entropy": entropy}


def _certainty(logits: Tensor) -> list[Tensor]:
    """Mean largest probability and mean entropy, still on the device."""
    probabilities = logits.softmax(dim=1)
    entropy = -(probabilities * logits.log_softmax(dim=1)).sum(dim=1).mean()
    return [probabilities.amax(dim=1).mean(), entropy]


def to_label(logits: Tensor, size: tuple[int, int]) -> Label:
    """The most probable class of every pixel, (H, W)."""
    best = most_probable(upsample(logits.detach(), size))[0]
    return np.asarray(best.to(torch.uint8).cpu().numpy(), dtype=np.uint8)
