"""Padding that follows from an image's size, for plain sizes and for those of an exported graph.

An exported graph serves every size. While it is made, sizes are symbols. What is padded by an
amount that depends on them is then padded by the most that it can be and cut, so that sizes behind
it stay short expressions. Otherwise they double with every stage, and exporting takes minutes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def known(*lengths: int) -> bool:
    """Whether lengths are numbers, not the symbols of a graph that is being exported."""
    return all(isinstance(length, int) for length in lengths)


def pad_to_multiple(x: Tensor, multiple: int, dims: tuple[int, int] = (2, 3)) -> Tensor:
    """Zeros at the bottom and the right, so that height and width become multiples of a number.

    Args:
        x: any shape.
        multiple: of the number of pixels.
        dims: which of its dimensions are height and width.
    """
    behind = x.ndim - 1 - dims[1]  # dimensions after the width, which F.pad counts from the last
    sizes = x.shape[dims[0]], x.shape[dims[1]]
    if known(*sizes):
        below, right = (-size % multiple for size in sizes)
        return F.pad(x, (*(0, 0) * behind, 0, right, 0, below))
    most = multiple - 1
    x = F.pad(x, (*(0, 0) * behind, 0, most, 0, most))
    for dim, size in zip(dims, sizes, strict=True):
        x = x.narrow(dim, 0, ((size - 1) // multiple + 1) * multiple)
    return x
