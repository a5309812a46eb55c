"""Random numbers for a part of a batch: the numbers that the whole batch would get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SharedDraws:
    """A generator for a pass over some rows of a batch.

    It draws for the whole batch and keeps the pass's rows. So a batch that is cut into parts, in
    one process or in several, gets the draws that it gets in one piece.
    """

    generator: torch.Generator
    start: int
    """First row of the pass in the batch."""
    rows: int
    """Of the pass."""
    batch: int
    """Rows of the batch."""


def uniform(shape: Sequence[int], generator: torch.Generator | SharedDraws | None) -> Tensor:
    """Numbers in [0, 1), drawn on the CPU, so they are the same on every device.

    Args:
        shape: batch first; what a layer folds into the batch (windows) counts as rows, too.
        generator: what to draw from; None is torch's default generator.
    """
    if not isinstance(generator, SharedDraws):
        return torch.rand(*shape, generator=generator)
    fold = shape[0] // generator.rows
    whole = torch.rand(fold * generator.batch, *shape[1:], generator=generator.generator)
    start = fold * generator.start
    return whole[start : start + shape[0]]
