"""Padding that depends on an image's size, for plain sizes and for symbols of an exported graph.

An exported graph allows every size. During export, sizes are symbols. A padding that depends on
them then adds the maximum and cuts, so later sizes stay short expressions. Otherwise they double
with every stage, and an export takes minutes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def known(*lengths: int) -> bool:
    """Whether lengths are numbers, not symbols of an export."""
    return all(isinstance(length, int) for length in lengths)


def pad_to_multiple(x: Tensor, multiple: int, dims: tuple[int, int] = (2, 3)) -> Tensor:
    """Adds zeros at the bottom and the right until height and width are multiples of a number.

    Args:
        x: any shape.
        multiple: in pixels.
        dims: the dimensions of height and width.
    """
    behind = x.ndim - 1 - dims[1]  # dimensions after the width; F.pad counts from the last
    sizes = x.shape[dims[0]], x.shape[dims[1]]
    if known(*sizes):
        below, right = (-size % multiple for size in sizes)
        return F.pad(x, (*(0, 0) * behind, 0, right, 0, below))
    most = multiple - 1
    x = F.pad(x, (*(0, 0) * behind, 0, most, 0, most))
    for dim, size in zip(dims, sizes, strict=True):
        x = x.narrow(dim, 0, ((size - 1) // multiple + 1) * multiple)
    return x
