"""Random numbers for a part of a batch, equal to those of the whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SharedDraws:
    """A generator for a pass over some rows of a batch.

    It draws for the whole batch and keeps the rows of the pass. A batch in several parts or
    processes therefore gets the same draws as in one piece.
    """

    generator: torch.Generator
    start: int
    """First row of the pass in the batch."""
    rows: int
    """Number of rows of the pass."""
    batch: int
    """Number of rows of the batch."""


def uniform(shape: Sequence[int], generator: torch.Generator | SharedDraws | None) -> Tensor:
    """Numbers in [0, 1), drawn on the CPU, so they do not depend on the device.

    Args:
        shape: batch first; dimensions that a layer folds into the batch (windows) also count as
            rows.
        generator: None is torch's default generator.
    """
    if not isinstance(generator, SharedDraws):
        return torch.rand(*shape, generator=generator)
    fold = shape[0] // generator.rows
    whole = torch.rand(fold * generator.batch, *shape[1:], generator=generator.generator)
    start = fold * generator.start
    return whole[start : start + shape[0]]
