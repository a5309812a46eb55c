"""Compares a written model with the original model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from driftseg.errors import InputError
from driftseg.exporting.onnx_file import Floats

TOLERANCE = 1e-3
"""Largest allowed difference of logits, relative to the largest logit."""
Runs = Callable[[Floats], Floats]
"""Images (B, 3, H, W) of 0 to 255 to logits (B, C, h, w)."""


def probes(sizes: list[tuple[int, int]], generator: torch.Generator) -> Iterator[Tensor]:
    """Images of noise (B, 3, H, W) of 0 to 255 in each size, in batches of one and three.

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
    """The largest difference of logits, relative to the largest logit.

    Args:
        what: name of the runtime, for errors.
        theirs: the written model.
        ours: the original model.
        images: for the comparison.

    Raises:
        InputError: it is above `TOLERANCE`, or the written model does not run.
    """
    worst = 0.0
    for given in images:
        with torch.no_grad():
            wanted = ours(given).cpu().numpy()
        shape = tuple(given.shape)
        try:
            found = theirs(given.numpy())
        except Exception as error:  # runtimes raise their own exceptions
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
