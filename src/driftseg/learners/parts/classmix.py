"""ClassMix: source classes pasted onto a target image (Olsson et al. 2021; DACS 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from driftseg.labels import IGNORE
from driftseg.models.sending import sent


@dataclass(frozen=True)
class Mixed:
    """A mixed batch."""

    images: Tensor
    """(B, 3, H, W)."""
    labels: Tensor
    """(B, H, W)."""
    weights: Tensor
    """(B, H, W): 1 where the source was pasted."""


def number_of_classes(present: int, ratio: float) -> int:
    """How many of ``present`` classes are pasted: min(int((n + n mod 2) r), n)."""
    return min(int((present + present % 2) * ratio), present)


def choose_classes(
    labels: Tensor,
    *,
    ratio: float,
    generator: np.random.Generator,
    paste_unlabelled: bool = False,
) -> list[int]:
    """Classes of the source batch to paste, without replacement.

    Only classes are counted and chosen. ``paste_unlabelled`` does as HAMLET's released
    code, in which 255 is one of the classes and unlabelled pixels can be pasted.
    """
    present = [int(c) for c in torch.unique(labels) if paste_unlabelled or int(c) != IGNORE]
    number = number_of_classes(len(present), ratio)
    return (
        sorted(int(c) for c in generator.choice(present, number, replace=False)) if number else []
    )


def paste(
    images: Tensor,
    labels: Tensor,
    target: Tensor,
    pseudo_labels: Tensor,
    weights: Tensor,
    *,
    classes: list[int],
) -> Mixed:
    """Source pixels of ``classes`` over target images.

    Images are mixed where they lie, labels and weights where the pseudo-labels do: which pixels
    are pasted follows from the source's labels alone.

    Args:
        images: source, (B, 3, H, W).
        labels: source, (B, H, W).
        target: (1 or B, 3, H, W).
        pseudo_labels: of the target, (1 or B, H, W).
        weights: of the pseudo-labels, (1 or B, H, W).
        classes: ids to paste.
    """
    mask = torch.isin(labels, torch.tensor(classes, dtype=labels.dtype, device=labels.device))
    there = sent(mask, pseudo_labels)
    return Mixed(
        images=torch.where(mask[:, None], images, target),
        labels=torch.where(there, sent(labels, pseudo_labels), pseudo_labels),
        weights=torch.where(there, torch.ones_like(weights), weights),
    )
