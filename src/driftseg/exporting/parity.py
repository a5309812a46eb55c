"""Whether what was written answers as the model that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from driftseg.errors import InputError
from driftseg.exporting.onnx_file import Floats

TOLERANCE = 1e-3
"""Largest difference of logits, over the largest logit, that is let through."""
Runs = Callable[[Floats], Floats]
"""Images (B, 3, H, W) of 0 to 255 to logits (B, C, h, w)."""


def probes(sizes: list[tuple[int, int]], generator: torch.Generator) -> Iterator[Tensor]:
    """Images of noise (B, 3, H, W) of 0 to 255, of each size in turn, batches of one and three.

    Args:
        sizes: (height, width).
        generator: draws them.
    """
    for number in range(max(len(sizes), 2)):
        height, width = sizes[number % len(sizes)]
        batch = 3 if number % 2 else 1
        noise = torch.randint(0, 256, (batch, 3, height, width), generator=generator)
        yield noise.float()


def check_parity(
    what: str, theirs: Runs, ours: Callable[[Tensor], Tensor], images: Iterator[Tensor]
) -> float:
    """The largest difference of logits, over the largest logit.

    Args:
        what: runs what was written, for errors.
        theirs: what was written.
        ours: the model.
        images: to compare with.

    Raises:
        InputError: it is above `TOLERANCE`, or what was written does not run.
    """
    worst = 0.0
    for given in images:
        with torch.no_grad():
            wanted = ours(given).cpu().numpy()
        shape = tuple(given.shape)
        try:
            found = theirs(given.numpy())
        except Exception as error:  # runtimes raise kinds of their own
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"expected an exported model that runs in {what} for images of shape {shape}, "
                f"got an error ({line[:200]}); nothing is written. To fix: {_MEND}"
            ) from error
        if found.shape != wanted.shape:
            raise InputError(
                f"expected logits of shape {wanted.shape} as in torch from {what}, for images "
                f"of shape {shape}, got {found.shape}; nothing is written. To fix: {_MEND}"
            )
        scale = float(np.abs(wanted).max()) or 1.0
        worst = max(worst, float(np.abs(found - wanted).max()) / scale)
        if not worst <= TOLERANCE:
            raise InputError(
                f"expected logits in {what} within {TOLERANCE:g} of torch, for images of shape "
                f"{shape}, got a difference of {worst:.2g} of the largest; nothing is written. "
                f"To fix: {_MEND}"
            )
    return worst


_MEND = "try another target, or one size (size=(width, height), --size WIDTHxHEIGHT)"
